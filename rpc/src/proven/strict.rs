//! JSON that all readers read alike: no object names a field twice, of which one would take the first and another the last,
//! and all numbers are integers, since fractions are rounded by some.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A value of which every field is there once and every number is an integer.
pub struct Strict(pub Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Err(E::custom(format_args!("the number {value:e} is not an integer of 64 bits")))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the field {name:?} is there twice")));
            }
            let Strict(value) = fields.next_value()?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops where its claim breaks")]

    use super::*;

    #[test]
    fn it_reads_what_serde_json_reads_but_no_field_twice_and_no_fractions() {
        for text in ["null", "[true, -1, 1, 18446744073709551615, \"x\"]", r#"{"a": {"b": []}, "b": {"b": 1}}"#] {
            let Strict(value) = serde_json::from_str(text).unwrap();
            assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
        }
        let twice = serde_json::from_str::<Strict>(r#"[{"a": 1, "b": {"c": 1, "c": 1}}]"#);
        assert!(twice.err().unwrap().to_string().contains("\"c\" is there twice"));
        assert!(serde_json::from_str::<Strict>("{} x").is_err());
        for fraction in ["1.0", "1E45", "-2e-3", "18446744073709551616"] {
            let refused = serde_json::from_str::<Strict>(&format!("[{fraction}]")).err().unwrap();
            assert!(refused.to_string().contains("is not an integer"), "{fraction}: {refused}");
        }
    }
}
