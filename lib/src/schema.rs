//! The town's JSON Schema, for editors and for checks in other languages.

use crate::Town;

/// The JSON Schema (draft 2020-12) of a town: every option, its type, default and description.
///
/// It says of each value what it looks like. What only holds between options (a tier that exists, volumes with
/// different names) is checked by [`crate::to_kube_manifests`].
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Town);
    schema.insert("title".to_owned(), "Nuketown town".into());
    schema.to_value()
}
