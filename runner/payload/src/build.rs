//! Cross-compilation of the executor.
//!
//! | way | needs | how |
//! |---|---|---|
//! | `rustup` | the target's prebuilt `core` | `cargo build --target ...` |
//! | `debian` | Debian's rustc and library source, and a linker | `-Zbuild-std=core` with `RUSTC_BOOTSTRAP=1` |
//!
//! Each variant has a target directory of its own, and what they are made of is in one build directory beside the
//! host's, so that neither host nor payload waits for the other's lock.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::str::FromStr;
use std::{env, fs};

use super::error::PayloadError;
use super::source;

/// The target triple of the payload.
pub const TRIPLE: &str = "aarch64-unknown-none-softfloat";
const PROFILE: &str = "payload";
/// The build directory of all variants.
const PARTS: &str = "payload-parts";
/// Where Debian's packages put the compiler and the source of its library.
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LIBRARY: &str = "/usr/lib/rustlib/src/rust/library/Cargo.lock";

/// What to build, and how.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// With the operations that hurt the executor itself.
    pub self_test: bool,
    /// Which toolchain to take.
    pub toolchain: Wish,
}

/// A wish for a toolchain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Wish {
    /// The first that is there.
    #[default]
    Auto,
    /// This one, or none.
    Only(Toolchain),
}

/// A way to build the payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Toolchain {
    /// rustup's, with the target installed.
    Rustup,
    /// Debian's, which builds `core` itself.
    Debian,
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rustup => "rustup",
            Self::Debian => "debian",
        })
    }
}

impl Wish {
    /// The wish in `HYPWALK_PAYLOAD_TOOLCHAIN`.
    pub fn from_environment() -> Result<Self, PayloadError> {
        match env::var("HYPWALK_PAYLOAD_TOOLCHAIN") {
            Ok(text) => text.parse(),
            Err(env::VarError::NotPresent) => Ok(Self::Auto),
            Err(env::VarError::NotUnicode(text)) => {
                Err(PayloadError::UnknownToolchain(text.to_string_lossy().into_owned()))
            }
        }
    }
}

impl FromStr for Wish {
    type Err = PayloadError;

    fn from_str(text: &str) -> Result<Self, PayloadError> {
        match text {
            "" | "auto" => Ok(Self::Auto),
            "rustup" => Ok(Self::Only(Toolchain::Rustup)),
            "debian" => Ok(Self::Only(Toolchain::Debian)),
            _ => Err(PayloadError::UnknownToolchain(text.to_owned())),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Built {
    /// The ELF file.
    pub elf: PathBuf,
    /// The toolchain that was taken.
    pub toolchain: Toolchain,
    /// The root of the source tree.
    pub source: PathBuf,
}

/// Builds the executor; where nothing changed, that takes cargo a tenth of a second.
pub fn build(options: &Options) -> Result<Built, PayloadError> {
    let source = source::root()?;
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = sysroot(&rustc, &source);
    let toolchain = choose(options.toolchain, sysroot.as_deref())?;

    let variant = if options.self_test { "payload-self-test" } else { "payload" };
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let target = source.join(target);
    let (parts, target) = (target.join(PARTS), target.join(variant));
    let mut command = match toolchain {
        Toolchain::Rustup => Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
        Toolchain::Debian => debian(sysroot.as_deref())?,
    };
    command.current_dir(&source).args(["build", "--quiet", "--locked", "-p", "executor"]);
    command.args(["--target", TRIPLE, "--profile", PROFILE]).arg("--target-dir").arg(&target);
    command.env("CARGO_BUILD_BUILD_DIR", parts);
    if options.self_test {
        command.args(["--features", "self-test"]);
    }
    if toolchain == Toolchain::Debian {
        command.arg("-Zbuild-std=core");
    }
    // Meant for the host, if for anything.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(name);
    }

    let output = run(&mut command)?;
    if !output.status.success() {
        return Err(PayloadError::Failed {
            command: format!("{command:?}"),
            status: output.status.to_string(),
            output: String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
        });
    }
    let elf = target.join(TRIPLE).join(PROFILE).join("executor");
    Ok(Built { elf, toolchain, source })
}

fn run(command: &mut Command) -> Result<Output, PayloadError> {
    command.output().map_err(|source| PayloadError::Program {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })
}

/// Where the compiler that would be taken in `source` keeps its libraries.
fn sysroot(rustc: &OsString, source: &Path) -> Option<PathBuf> {
    let mut command = Command::new(rustc);
    let output = run(command.current_dir(source).args(["--print", "sysroot"])).ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(text.trim_end()))
}

fn choose(wish: Wish, sysroot: Option<&Path>) -> Result<Toolchain, PayloadError> {
    let rustup = match sysroot {
        Some(root) if root.join("lib/rustlib").join(TRIPLE).join("lib").is_dir() => Ok(()),
        Some(root) => Err(format!("{} has no target {TRIPLE}", root.display())),
        None => Err("there is no rustc on PATH".to_owned()),
    };
    let missing = [DEBIAN_CARGO, DEBIAN_RUSTC, DEBIAN_LIBRARY]
        .into_iter()
        .find(|file| !Path::new(file).exists());
    let debian = missing.map_or(Ok(()), |file| Err(format!("Debian's {file} is missing")));
    let chosen = match wish {
        Wish::Only(Toolchain::Rustup) => rustup.map(|()| Toolchain::Rustup),
        Wish::Only(Toolchain::Debian) => debian.map(|()| Toolchain::Debian),
        Wish::Auto => rustup.map(|()| Toolchain::Rustup).or_else(|first| {
            let both = |second| format!("{first}, and {second}");
            debian.map(|()| Toolchain::Debian).map_err(both)
        }),
    };
    chosen.map_err(|why| PayloadError::NoToolchain { why })
}

/// Debian's cargo, told to take Debian's compiler, and a linker since that has none for bare metal.
fn debian(sysroot: Option<&Path>) -> Result<Command, PayloadError> {
    let linker = sysroot.and_then(rust_lld).or_else(debian_lld).ok_or_else(|| {
        let why = "there is neither a rust-lld nor an ld.lld to link with".to_owned();
        PayloadError::NoToolchain { why }
    })?;
    let mut command = Command::new(DEBIAN_CARGO);
    command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
    command.env("CARGO_TARGET_AARCH64_UNKNOWN_NONE_SOFTFLOAT_LINKER", linker);
    // rustup's choice of a toolchain is not Debian's.
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC_WORKSPACE_WRAPPER");
    Ok(command)
}

fn rust_lld(sysroot: &Path) -> Option<PathBuf> {
    let targets = fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
    let linkers = targets.filter_map(|target| Some(target.ok()?.path().join("bin/rust-lld")));
    linkers.into_iter().find(|linker| linker.is_file())
}

fn debian_lld() -> Option<PathBuf> {
    let mut linkers: Vec<_> = fs::read_dir("/usr/bin")
        .ok()?
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|file| {
            file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"ld.lld"))
        })
        .collect();
    linkers.sort();
    linkers.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_one_of_three() {
        let wishes = [
            ("auto", Wish::Auto),
            ("", Wish::Auto),
            ("rustup", Wish::Only(Toolchain::Rustup)),
            ("debian", Wish::Only(Toolchain::Debian)),
        ];
        for (text, wish) in wishes {
            assert_eq!(text.parse::<Wish>().expect("it is one"), wish);
        }
        let message = "gcc".parse::<Wish>().expect_err("it is none").to_string();
        assert!(message.contains("rustup, debian or auto"), "{message}");
    }

    #[test]
    fn what_is_missing_is_told() {
        let nowhere = Path::new("/nowhere");
        let error =
            choose(Wish::Only(Toolchain::Rustup), Some(nowhere)).expect_err("nothing there");
        let message = error.to_string();
        assert!(message.contains("/nowhere has no target"), "{message}");
        assert!(message.contains("scripts/setup"), "{message}");
    }
}
