//! The way to a board's console: opening it, and what can be wrong with it.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd as _, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::ioctl_fionbio;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use serialport::{DataBits, FlowControl, Parity, StopBits, TTYPort};

use super::description::{Port, Tty};
use crate::stream::Stream;

/// A port that can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("{port} can't be opened: {why}")]
pub struct PortError {
    pub port: String,
    /// What is wrong, and what to do about it.
    pub why: String,
    /// Whether it may come to be there yet.
    pub may_come: bool,
}

impl PortError {
    /// The host failed at `port`.
    pub fn host(port: &Port, error: io::Error) -> Self {
        Self { port: port.to_string(), why: error.to_string(), may_come: false }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tty(Tty { path, baud }) => {
                write!(f, "the serial port {} at {baud} baud", path.display())
            }
            Self::Socket(path) => write!(f, "the socket {}", path.display()),
            Self::Tcp(address) => write!(f, "the terminal server's port {address}"),
            Self::Pty => f.write_str("a pseudo-terminal"),
        }
    }
}

/// Opens `port`. Nothing that is done with it waits.
pub fn connect(port: &Port) -> Result<Box<dyn Stream>, PortError> {
    let stream: Result<Box<dyn Stream>, io::Error> = match port {
        Port::Tty(tty) => return open_tty(tty).map(|file| Box::new(file) as Box<dyn Stream>),
        Port::Socket(path) => UnixStream::connect(path).map(|stream| Box::new(stream) as _),
        Port::Tcp(address) => TcpStream::connect(address).map(|stream| Box::new(stream) as _),
        Port::Pty => unreachable!("a pseudo-terminal is made, and not opened"),
    };
    let fault = |error: io::Error| PortError {
        port: port.to_string(),
        why: match error.kind() {
            io::ErrorKind::NotFound => format!("{error}: does the program run that offers it?"),
            io::ErrorKind::PermissionDenied => format!("{error}: you may not use it"),
            _ => error.to_string(),
        },
        may_come: matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
        ),
    };
    let stream = stream.map_err(fault)?;
    ioctl_fionbio(stream.as_fd(), true).map_err(|error| fault(error.into()))?;
    Ok(stream)
}

fn open_tty(tty: &Tty) -> Result<File, PortError> {
    let path = tty.path.to_string_lossy();
    let opened = serialport::new(path, tty.baud)
        .data_bits(DataBits::Eight)
        .parity(Parity::None)
        .stop_bits(StopBits::One)
        .flow_control(FlowControl::None);
    let opened = TTYPort::open(&opened);
    let fault = |why: String, may_come| {
        let port = Port::Tty(tty.clone()).to_string();
        PortError { port, why, may_come }
    };
    let port = opened.map_err(|error| match error.kind() {
        serialport::ErrorKind::NoDevice => {
            let why = "another program has it: end that, be it a terminal such as minicom or another \
                       run of this target";
            fault(why.to_owned(), false)
        }
        serialport::ErrorKind::Io(io::ErrorKind::NotFound) => {
            let why = format!(
                "there is no such file: is the adapter plugged in? {}",
                ports_of(Path::new("/dev/serial/by-id"))
            );
            fault(why, true)
        }
        serialport::ErrorKind::Io(io::ErrorKind::PermissionDenied) => {
            let why = "permission denied: serial ports belong to a group, often `dialout`, of which \
                       you have to be a member";
            fault(why.to_owned(), false)
        }
        _ => fault(format!("{error}; is it a serial port that takes this rate?"), false),
    })?;
    // SAFETY: the port gives its descriptor away, and nothing else has it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(port.into_raw_fd()) };
    ioctl_fionbio(&descriptor, true)
        .map_err(|error| fault(io::Error::from(error).to_string(), false))?;
    Ok(File::from(descriptor))
}

/// The serial ports that `folder` names, in words.
fn ports_of(folder: &Path) -> String {
    let names = folder.read_dir().into_iter().flatten().flatten();
    let mut names: Vec<_> = names.map(|entry| entry.path().display().to_string()).collect();
    names.sort();
    match names.as_slice() {
        [] => "This host has no USB adapter for one at all".to_owned(),
        names => format!("This host has: {}", names.join(", ")),
    }
}

/// A pseudo-terminal: the host's end, and what somebody else opens.
#[derive(Debug)]
pub struct Pty {
    ours: File,
    /// Kept open, so that the host's end does not break while nobody else has it.
    _theirs: OwnedFd,
    /// The path of the other end.
    pub path: String,
}

impl Pty {
    /// A new one, that changes no byte.
    pub fn new() -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let path = ptsname(&ours, Vec::new())?.to_string_lossy().into_owned();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = open(&path, flags, Mode::empty())?;
        let mut settings = tcgetattr(&theirs)?;
        settings.make_raw();
        tcsetattr(&theirs, OptionalActions::Now, &settings)?;
        ioctl_fionbio(&ours, true)?;
        Ok(Self { ours: File::from(ours), _theirs: theirs, path })
    }

    /// The host's end.
    pub fn ours(&self) -> io::Result<File> {
        self.ours.try_clone()
    }
}
