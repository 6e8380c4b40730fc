//! A configuration directory for one window: the human's own, with the agent's look added to GTK's style sheets.
//!
//! Zenity has no option for colours, and shows no markup where it shows long text. GTK reads `gtk-3.0/gtk.css` (zenity 3) and
//! `gtk-4.0/gtk.css` (zenity 4) below `XDG_CONFIG_HOME`; everything else there is linked, so that fonts, themes and settings
//! remain the human's.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;

use super::{Look, Settings};

/// Directories in which GTK looks for a style sheet, and its name.
const TOOLKITS: [&str; 2] = ["gtk-3.0", "gtk-4.0"];
const SHEET: &str = "gtk.css";

/// Under which name the human's own style sheet is linked, and imported by ours.
const OWN_SHEET: &str = "nuketown-own.css";

/// The directory. It goes when this is dropped.
#[derive(Debug)]
pub(super) struct ConfigHome(TempDir);

impl ConfigHome {
    /// Makes the directory in the session's runtime directory, which is private and goes with the session.
    ///
    /// # Errors
    ///
    /// The directory cannot be made or written.
    pub(super) fn make(settings: &Settings, look: Look, left: Duration) -> io::Result<Self> {
        let runtime = settings.variable("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let home = tempfile::Builder::new().prefix("nuketown-dialog-").tempdir_in(runtime)?;
        let own = settings.config_home();
        if let Some(own) = &own {
            link_entries(own, home.path(), |name| TOOLKITS.iter().any(|toolkit| name == *toolkit))?;
        }
        for toolkit in TOOLKITS {
            write_sheet(
                own.as_ref().map(|own| own.join(toolkit)).as_deref(),
                &home.path().join(toolkit),
                &css(look, left),
            )?;
        }
        Ok(Self(home))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Writes our style sheet into `ours`, beside links to what the human has in `own`.
fn write_sheet(own: Option<&Path>, ours: &Path, css: &str) -> io::Result<()> {
    fs::create_dir(ours)?;
    let mut import = "";
    if let Some(own) = own {
        link_entries(own, ours, |name| name == SHEET)?;
        if own.join(SHEET).exists() {
            symlink(own.join(SHEET), ours.join(OWN_SHEET))?;
            import = "@import url(\"nuketown-own.css\");\n";
        }
    }
    fs::write(ours.join(SHEET), format!("{import}{css}"))
}

/// Links every entry of `from` into `to`, but those that are `ours`. A directory that cannot be read has none.
fn link_entries(from: &Path, to: &Path, ours: impl Fn(&OsStr) -> bool) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    for name in entries.filter_map(|entry| Some(entry.ok()?.file_name())).filter(|name| !ours(name)) {
        symlink(from.join(&name), to.join(&name))?;
    }
    Ok(())
}

/// The agent's frame (a dialog is the node `dialog` in GTK 3, and a window of the class `messagedialog` in libadwaita), and
/// below the tick box a bar that is empty at the deadline.
///
/// The bar is a whole one for whoever has switched animations off, where GTK shows the state before the animation.
fn css(look: Look, left: Duration) -> String {
    let Look { colour: [r, g, b], edge } = look;
    let colour = format!("#{r:02x}{g:02x}{b:02x}");
    let seconds = left.as_secs_f32();
    format!(
        "@keyframes nuketown-left {{ from {{ background-size: 100% 4px; }} to {{ background-size: 0% 4px; }} }}
dialog, window.messagedialog {{ border: 10px {edge} {colour}; }}
textview {{ font-family: monospace; padding: 6px; }}
.dialog-action-area {{ padding: 0 8px 8px 8px; }}
checkbutton {{
  padding: 10px 4px 14px 4px;
  background-image: linear-gradient({colour}, {colour});
  background-repeat: no-repeat;
  background-position: left bottom;
  background-size: 100% 4px;
  animation: nuketown-left {seconds:.1}s linear forwards;
}}
"
    )
}
