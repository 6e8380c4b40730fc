//! `Write` and `Edit`.

use serde::Deserialize;

use super::beneath::Root;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    path: String,
    content: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edited {
    path: String,
    old: String,
    new: String,
    #[serde(default)]
    replace_all: bool,
}

pub(super) fn write(root: &Root, asked: &Written) -> Result<String, String> {
    let is_new = root.write(&asked.path, asked.content.as_bytes())?;
    let done = if is_new { "made" } else { "replaced" };
    Ok(format!("{done} {} ({} bytes)", asked.path, asked.content.len()))
}

pub(super) fn edit(root: &Root, asked: &Edited) -> Result<String, String> {
    let path = &asked.path;
    let content = String::from_utf8(root.read(path)?).map_err(|_| format!("{path} is no text in UTF-8"))?;
    if asked.old.is_empty() || asked.old == asked.new {
        return Err("old must be some text, and another than new".to_owned());
    }
    let count = content.matches(&asked.old).count();
    match count {
        0 => {
            return Err(format!(
                "the old text is not in {path}; read it again, and give the text exactly as it is"
            ));
        }
        2.. if !asked.replace_all => {
            return Err(format!(
                "the old text is {count} times in {path}; give more of what stands around it, or replace_all"
            ));
        }
        _ => {}
    }
    root.write(path, content.replace(&asked.old, &asked.new).as_bytes())?;
    Ok(format!("replaced {count} of {count} in {path}"))
}
