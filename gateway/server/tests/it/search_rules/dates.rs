//! Dates: partial ones, periods, timings, prefixes, time zones. <https://hl7.org/fhir/R4/search.html#date>

use super::{finds, refuses};

/// Observations by when they were made.
fn observed(times: &[(&str, &str)]) -> Vec<(String, String)> {
    let members = |time: &str| format!(r#""status":"final","code":{{"text":"x"}}{time}"#);
    times.iter().map(|(id, time)| (format!("Observation/{id}"), members(time))).collect()
}

async fn holds(times: &[(&str, &str)], rows: &[(&str, &str)]) {
    let resources = observed(times);
    let resources = resources.iter().map(|(name, members)| (name.as_str(), members.as_str())).collect::<Vec<_>>();
    let rows = rows.iter().map(|(value, wanted)| (format!("Observation?date={value}"), *wanted)).collect::<Vec<_>>();
    let rows = rows.iter().map(|(query, wanted)| (query.as_str(), *wanted)).collect::<Vec<_>>();
    finds(&resources, &rows).await;
}

/// <https://hl7.org/fhir/R4/search.html#date>: the examples with points in time.
#[tokio::test]
async fn a_day_contains_its_minutes() {
    let times = [
        ("midnight", r#","effectiveDateTime":"2013-01-14T00:00:00Z""#),
        ("ten", r#","effectiveDateTime":"2013-01-14T10:00:00Z""#),
        ("last", r#","effectiveDateTime":"2013-01-14T23:59:59.999Z""#),
        ("next", r#","effectiveDateTime":"2013-01-15T00:00:00Z""#),
        ("day", r#","effectiveDateTime":"2013-01-14""#),
        ("month", r#","effectiveDateTime":"2013-01""#),
        ("none", ""),
    ];
    let rows = [
        ("2013-01-14", "midnight ten last day"),
        ("eq2013-01-14", "midnight ten last day"),
        ("ne2013-01-14", "next month"),
        ("lt2013-01-14T10:00", "midnight day month"),
        ("gt2013-01-14T10:00", "last next day month"),
        ("ge2013-01-14T10:00", "ten last next day month"),
        ("le2013-01-14T10:00", "midnight ten day month"),
        ("2013-01-14T10:00", "ten"),
        ("2013-01-14T10:00:00Z", "ten"),
        ("2013-01-14T10:00:00.000Z", ""),
        ("gt2013-01-14", "next month"),
        ("lt2013-01-14", "month"),
        ("ge2013-01-14", "midnight ten last next day month"),
        ("sa2013-01-14", "next"),
        ("eb2013-01-15", "midnight ten last day"),
        ("2013-01", "midnight ten last next day month"),
        ("2013", "midnight ten last next day month"),
        ("2012,2014", ""),
        ("2013-01-14&date=gt2013-01-14T12:00", "last day"),
        ("2013-01-14T10%3A00", "ten"),
    ];
    holds(&times, &rows).await;
}

/// <https://hl7.org/fhir/R4/search.html#date>: the examples with periods, open ends among them.
#[tokio::test]
async fn a_period_is_compared_as_the_prefix_says() {
    let times = [
        ("from-21-jan", r#","effectivePeriod":{"start":"2013-01-21"}"#),
        ("from-15-mar", r#","effectivePeriod":{"start":"2013-03-15"}"#),
        ("until-21-jan", r#","effectivePeriod":{"end":"2013-01-21"}"#),
        ("within", r#","effectivePeriod":{"start":"2013-03-14T08:00:00Z","end":"2013-03-14T09:00:00Z"}"#),
    ];
    let rows = [
        ("ge2013-03-14", "from-21-jan from-15-mar within"),
        ("le2013-03-14", "from-21-jan until-21-jan within"),
        ("sa2013-03-14", "from-15-mar"),
        ("eb2013-03-14", "until-21-jan"),
        ("gt2013-03-14", "from-21-jan from-15-mar"),
        ("lt2013-03-14", "from-21-jan until-21-jan"),
        ("2013-03-14", "within"),
        ("ne2013-03-14", "from-21-jan from-15-mar until-21-jan"),
        ("2013-03-14T08:30:00Z", ""),
        ("sa2013-01-20", "from-21-jan from-15-mar within"),
    ];
    holds(&times, &rows).await;
}

/// <https://hl7.org/fhir/R4/search.html#date>: of a Timing only the outer limits matter.
#[tokio::test]
async fn a_schedule_is_its_outer_limits() {
    let times = [
        (
            "every-second-day",
            r#","effectiveTiming":{"repeat":{"boundsPeriod":{"start":"2013-01-31","end":"2013-03-24"},"frequency":1,"period":2,"periodUnit":"d"}}"#,
        ),
        ("events", r#","effectiveTiming":{"event":["2013-01-01","2013-02-03"]}"#),
        ("instant", r#","effectiveInstant":"2013-02-01T10:00:00.5Z""#),
    ];
    let rows = [
        ("ge2013-02-01", "every-second-day events instant"),
        ("sa2013-01-15", "every-second-day instant"),
        ("eb2013-02-02", "instant"),
        ("2013", "every-second-day events instant"),
        ("2013-02-01T10:00", "instant"),
        ("gt2013-02-01T10:00:00Z", "every-second-day events"),
    ];
    holds(&times, &rows).await;
}

/// <https://hl7.org/fhir/R4/search.html#date>: time zones are corrected for.
#[tokio::test]
async fn zones_are_corrected_for() {
    let times = [
        ("east", r#","effectiveDateTime":"2013-01-15T01:00:00+02:00""#),
        ("west", r#","effectiveDateTime":"2013-01-14T20:00:00-05:00""#),
    ];
    let rows = [
        ("2013-01-14T23:00:00Z", "east"),
        ("2013-01-14", "east"),
        ("2013-01-15", "west"),
        ("2013-01-15T01:00:00Z", "west"),
        ("2013-01-15T03:00:00%2B02:00", "west"),
        // A plus that was not encoded arrives as a space.
        ("2013-01-15T03:00:00+02:00", "west"),
    ];
    holds(&times, &rows).await;
}

/// <https://hl7.org/fhir/R4/search.html#prefix>: ap is a tenth of the way from now.
#[tokio::test]
async fn approximately_is_a_tenth_of_the_way_from_now() {
    let times = [
        ("same", r#","effectiveDateTime":"2013-03-14""#),
        ("near", r#","effectiveDateTime":"2013-01-21""#),
        ("far", r#","effectiveDateTime":"1990-06-15""#),
    ];
    holds(&times, &[("ap2013-03-14", "same near"), ("ap1990-06-15", "far")]).await;
}

/// <https://hl7.org/fhir/R4/search.html#errors>: a date of the wrong form is an error.
#[tokio::test]
async fn a_date_of_the_wrong_form_is_refused() {
    let rows = [
        ("Condition?onset-date=23%20May%202009", 400, "value"),
        ("Condition?onset-date=2009-13", 400, "value"),
        ("Condition?onset-date=2009-02-30", 400, "value"),
        ("Condition?onset-date=2009-02-03T10", 400, "value"),
        ("Condition?onset-date:text=1995", 400, "not-supported"),
        ("Condition?onset-date=zz2009", 400, "value"),
    ];
    refuses(&[], &rows).await;
}
