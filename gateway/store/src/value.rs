//! Values and rows as both databases give and take them. Used by every file of this room through `db`.

use crate::db::StoreError;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column, Row as _, TypeInfo, ValueRef};

/// A value in or out.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// BIGINT, INTEGER.
    Int(i64),
    /// DOUBLE PRECISION, REAL.
    Real(f64),
    /// TEXT.
    Text(String),
    /// BYTEA, BLOB.
    Bytes(Vec<u8>),
    /// NULL, only ever read.
    Null,
}

macro_rules! value_from {
    ($($from:ty => $make:expr),* $(,)?) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                let make: fn($from) -> Value = $make;
                make(value)
            }
        })*
    };
}
value_from! {
    i64 => Value::Int,
    u64 => |v: u64| Value::Int(v as i64),
    u32 => |v: u32| Value::Int(i64::from(v)),
    u16 => |v: u16| Value::Int(i64::from(v)),
    bool => |v: bool| Value::Int(i64::from(v)),
    f64 => Value::Real,
    String => Value::Text,
    &str => |v: &str| Value::Text(v.to_owned()),
    &String => |v: &String| Value::Text(v.clone()),
    Vec<u8> => Value::Bytes,
    &[u8] => |v: &[u8]| Value::Bytes(v.to_vec()),
    &[u8; 32] => |v: &[u8; 32]| Value::Bytes(v.to_vec()),
}

/// One row that was read.
#[derive(Clone, Debug)]
pub struct Row(pub(crate) Vec<Value>);

impl Row {
    /// The integer in column `at`; zero where there is none.
    pub fn int(&self, at: usize) -> i64 {
        match self.0.get(at) {
            Some(Value::Int(value)) => *value,
            _ => 0,
        }
    }

    /// The text in column `at`; empty where there is none.
    pub fn text(&mut self, at: usize) -> String {
        match self.0.get_mut(at) {
            Some(Value::Text(value)) => std::mem::take(value),
            _ => String::new(),
        }
    }

    /// The bytes in column `at`; empty where there are none.
    pub fn bytes(&mut self, at: usize) -> Vec<u8> {
        match self.0.get_mut(at) {
            Some(Value::Bytes(value)) => std::mem::take(value),
            _ => Vec::new(),
        }
    }

    /// Whether column `at` is NULL.
    pub fn is_null(&self, at: usize) -> bool {
        matches!(self.0.get(at), None | Some(Value::Null))
    }

    /// Exactly 32 bytes.
    ///
    /// # Errors
    /// [`StoreError::Damaged`].
    pub fn id(&mut self, at: usize) -> Result<[u8; 32], StoreError> {
        self.bytes(at).try_into().or(Err(StoreError::Damaged("32-byte id")))
    }
}

/// Binds values to a query, in order.
macro_rules! bind_owned {
    ($query:expr, $args:expr) => {{
        let mut query = $query;
        for value in $args {
            query = match value {
                $crate::value::Value::Int(value) => query.bind(value),
                $crate::value::Value::Real(value) => query.bind(value),
                $crate::value::Value::Text(value) => query.bind($crate::table::without_nul(value)),
                $crate::value::Value::Bytes(value) => query.bind(value),
                $crate::value::Value::Null => query.bind(Option::<String>::None),
            };
        }
        query
    }};
}
/// Binds copies of values that are needed again.
macro_rules! bind {
    ($query:expr, $args:expr) => {
        $crate::value::bind_owned!($query, $args.iter().cloned())
    };
}
pub(crate) use {bind, bind_owned};

/// A row of Postgres.
pub(crate) fn pg_row(row: &PgRow) -> Result<Row, sqlx::Error> {
    let mut values = Vec::with_capacity(row.len());
    for (at, column) in row.columns().iter().enumerate() {
        values.push(match column.type_info().name() {
            "INT8" => row.try_get::<Option<i64>, _>(at)?.map_or(Value::Null, Value::Int),
            "INT4" => row.try_get::<Option<i32>, _>(at)?.map_or(Value::Null, |v| Value::Int(i64::from(v))),
            "INT2" => row.try_get::<Option<i16>, _>(at)?.map_or(Value::Null, |v| Value::Int(i64::from(v))),
            "FLOAT8" => row.try_get::<Option<f64>, _>(at)?.map_or(Value::Null, Value::Real),
            "BYTEA" => row.try_get::<Option<Vec<u8>>, _>(at)?.map_or(Value::Null, Value::Bytes),
            _ => row.try_get::<Option<String>, _>(at)?.map_or(Value::Null, Value::Text),
        });
    }
    Ok(Row(values))
}

/// A row of SQLite, whose values say their own type.
pub(crate) fn sqlite_row(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let mut values = Vec::with_capacity(row.len());
    for at in 0..row.len() {
        let raw = row.try_get_raw(at)?;
        values.push(match raw.type_info().name() {
            "NULL" => Value::Null,
            "INTEGER" => Value::Int(row.try_get_unchecked(at)?),
            "REAL" => Value::Real(row.try_get_unchecked(at)?),
            "BLOB" => Value::Bytes(row.try_get_unchecked(at)?),
            _ => Value::Text(row.try_get_unchecked(at)?),
        });
    }
    Ok(Row(values))
}
