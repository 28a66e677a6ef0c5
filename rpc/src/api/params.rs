//! Parameters by position or by name, with errors that name the parameter.

use std::fmt;

use jsonrpsee::core::JsonRawValue;
use serde::de::value::{Error as FieldError, MapAccessDeserializer};
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, forward_to_deserialize_any};

use super::methods::{Method, Shape};
use crate::error::ApiError;

/// Decodes the parameters of a method.
///
/// Listed ones are `[a, b]` or `{"a": .., "b": ..}`; a single object is `[{..}]` or `{..}`. None at all is the same as
/// an empty list.
///
/// # Errors
/// `BadParams` with a sentence that names the parameter.
pub fn decode<M: Method>(json: Option<&str>) -> Result<M::Params, ApiError> {
    let json = json.map(str::trim).filter(|json| !json.is_empty() && *json != "null").unwrap_or("[]");
    if json.starts_with('{') {
        return parse(json);
    }
    let values: Vec<&JsonRawValue> = serde_json::from_str(json)
        .map_err(|_| ApiError::BadParams("the parameters are neither an array nor an object".into()))?;
    match M::SHAPE {
        Shape::Listed => parse(&by_name::<M>(&values)?),
        Shape::Object => parse(single_object::<M>(&values)?),
    }
}

/// `[a, b]` as `{"first": a, "second": b}`.
fn by_name<M: Method>(values: &[&JsonRawValue]) -> Result<String, ApiError> {
    let names = field_names::<M::Params>();
    if values.len() > names.len() {
        let (most, plural) = (names.len(), if names.len() == 1 { "" } else { "s" });
        return Err(ApiError::BadParams(format!("{} takes at most {most} parameter{plural}", M::NAME)));
    }
    let fields: Vec<String> =
        names.iter().zip(values).map(|(name, value)| format!("\"{name}\":{}", value.get())).collect();
    Ok(format!("{{{}}}", fields.join(",")))
}

/// `[{..}]` as `{..}`.
fn single_object<'a, M: Method>(values: &[&'a JsonRawValue]) -> Result<&'a str, ApiError> {
    match values {
        [] => Ok("{}"),
        [value] if value.get() == "null" => Ok("{}"),
        [value] if value.get().starts_with('{') => Ok(value.get()),
        _ => Err(ApiError::BadParams(format!("{} takes one object of parameters", M::NAME))),
    }
}

fn parse<T: DeserializeOwned>(json: &str) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| ApiError::BadParams(sentence("", &error)))
}

/// What is wrong, after the path of the parameter it is wrong with.
pub(crate) fn sentence(prefix: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let message = error.inner().to_string();
    // Positions in rewritten text help nobody.
    let message = message.split(" at line ").next().unwrap_or_default();
    let path = error.path().to_string();
    match (prefix, path.as_str()) {
        ("", ".") => message.to_owned(),
        ("", path) => format!("{path}: {message}"),
        (prefix, ".") => format!("{prefix}: {message}"),
        (prefix, path) => format!("{prefix}.{path}: {message}"),
    }
}

/// An object inside the parameters: unlike serde's structs it is never taken from an array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<T: Serialize> Serialize for Object<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(std::marker::PhantomData))
    }
}

/// The names of a struct's fields in their order, as its derived `Deserialize` asks for them.
#[must_use]
pub fn field_names<T: DeserializeOwned>() -> &'static [&'static str] {
    /// Notes what is asked for and answers nothing.
    struct Names<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Names<'_> {
        type Error = FieldError;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FieldError> {
            Err(FieldError::custom("not a struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, FieldError> {
            *self.0 = fields;
            Err(FieldError::custom("names only"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut names: &'static [&'static str] = &[];
    // It always fails, after the names are noted.
    let _ = T::deserialize(Names(&mut names));
    names
}

#[cfg(test)]
mod tests;
