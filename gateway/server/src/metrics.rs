//! Numbers for Prometheus: requests by interaction and status, how long they took, what runs. No label comes from a
//! client, so there are few, and none names a person. Called by `edge` and the router in `app`.

use crate::app::App;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::time::Duration;

/// Upper ends of the histogram's buckets in seconds: from a read out of memory to a transaction of thousands.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The numbers of one server.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    database_up: IntGauge,
    turns_free: Gauge,
}

impl Metrics {
    pub(crate) fn new(database: &str) -> Self {
        let registry = Registry::new();
        let names = "metric names and labels are constants that Prometheus accepts";
        let requests = IntCounterVec::new(
            Opts::new("chartwell_http_requests_total", "Requests answered."),
            &["interaction", "status"],
        );
        let seconds = HistogramVec::new(
            HistogramOpts::new("chartwell_http_request_seconds", "Time until the head of the answer was ready.")
                .buckets(BUCKETS.to_vec()),
            &["interaction"],
        );
        let info = IntGaugeVec::new(Opts::new("chartwell_info", "What runs; always 1."), &["version", "database"]);
        let up = IntGauge::new("chartwell_up", "1 while the process answers.");
        let database_up = IntGauge::new("chartwell_database_up", "1 if the database answered this scrape.");
        let turns_free = Gauge::new("chartwell_http_turns_free", "Requests that could start at once.");
        let metrics = Self {
            requests: requests.expect(names),
            seconds: seconds.expect(names),
            database_up: database_up.expect(names),
            turns_free: turns_free.expect(names),
            registry,
        };
        let (info, up) = (info.expect(names), up.expect(names));
        info.with_label_values(&[env!("CARGO_PKG_VERSION"), database]).set(1);
        up.set(1);
        let all: [Box<dyn prometheus::core::Collector>; 6] = [
            Box::new(metrics.requests.clone()),
            Box::new(metrics.seconds.clone()),
            Box::new(metrics.database_up.clone()),
            Box::new(metrics.turns_free.clone()),
            Box::new(info),
            Box::new(up),
        ];
        for one in all {
            metrics.registry.register(one).expect("each name is registered once");
        }
        metrics
    }

    /// Counts an answered request.
    pub(crate) fn request(&self, interaction: &str, status: u16, took: Duration) {
        let mut digits = [0; 3];
        for (place, divisor) in [100, 10, 1].into_iter().enumerate() {
            digits[place] = b'0' + u8::try_from(status / divisor % 10).unwrap_or_default();
        }
        let status = std::str::from_utf8(&digits).unwrap_or_default();
        self.requests.with_label_values(&[interaction, status]).inc();
        self.seconds.with_label_values(&[interaction]).observe(took.as_secs_f64());
    }
}

/// `GET /metrics`
pub(crate) async fn text(State(app): State<App>) -> Response {
    app.metrics.database_up.set(i64::from(app.node.ping().await.is_ok()));
    app.metrics.turns_free.set(app.turns.available_permits() as f64);
    let text = TextEncoder::new().encode_to_string(&app.metrics.registry.gather()).unwrap_or_default();
    let mut response = text.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    response
}
