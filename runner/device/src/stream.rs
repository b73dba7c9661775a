//! A byte stream to a target: a socket, a serial port, a pseudo-terminal.

use std::fmt;
use std::io::{Read, Write};
use std::os::fd::AsFd;

/// Bytes to a target and back, and a descriptor that can be polled for them.
///
/// Reading and writing do not wait: they say [`std::io::ErrorKind::WouldBlock`]. A read of 0 bytes,
/// or any other error, is the end of the stream.
pub trait Stream: Read + Write + AsFd + Send + fmt::Debug {}

impl<T: Read + Write + AsFd + Send + fmt::Debug> Stream for T {}
