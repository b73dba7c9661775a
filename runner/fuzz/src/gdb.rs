//! A debugger that answers whatever the bytes say.
//!
//! The bytes come over the connection as they are, as noise; and then each of their lines once more as the
//! payload of a packet, since no fuzzer finds the sums by itself. Then the connection ends, so that nobody waits.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use device::kind::gdb::client::Client;
use device::kind::gdb::packet::{Decoder, Item, MOST_BYTES, encode};
use device::kind::gdb::socket::Socket;
use device::kind::gdb::stub::Stub;

/// More than this is not put on a stream: nobody reads it while it is written.
const MOST: usize = 16 << 10;

/// Has a stub answer `bytes`; whether the runner agrees with it on how to talk.
pub fn decode(bytes: &[u8]) -> bool {
    if bytes.len() > MOST {
        return false;
    }
    let lines = bytes.split(|byte| *byte == b'\n');
    let mut stream = bytes.to_vec();
    // What was cut in the middle of a packet ends here.
    stream.extend(b"#00");
    let noise = stream.len();
    stream.extend(lines.clone().flat_map(encode));

    let mut decoder = Decoder::default();
    let items: Vec<Item> = stream.iter().filter_map(|byte| decoder.take(*byte)).collect();
    let packets: Vec<&Vec<u8>> = items.iter().filter_map(payload).collect();
    assert!(packets.iter().all(|payload| payload.len() <= MOST_BYTES));
    let last = lines.clone().count();
    assert!(packets.len() >= last, "packets come through noise");
    for (packet, line) in packets[packets.len() - last..].iter().zip(lines) {
        assert_eq!(packet.as_slice(), line);
    }
    talk(&stream) | talk(&stream[noise..])
}

fn payload(item: &Item) -> Option<&Vec<u8>> {
    match item {
        Item::Packet(payload) => Some(payload),
        _ => None,
    }
}

/// All that is asked of a stub before a machine runs.
fn talk(stream: &[u8]) -> bool {
    let (mut theirs, ours) = UnixStream::pair().expect("a pair of sockets");
    theirs.write_all(stream).expect("a socket holds so much");
    theirs.shutdown(Shutdown::Write).expect("a socket that was open");
    let ours = Socket::new(ours).expect("a socket that does not block");
    let Ok(mut stub) = Stub::greet(Client::new(ours, Duration::from_secs(60))) else {
        return false;
    };
    if let Err(problem) = stub.registers() {
        assert!(!problem.to_string().is_empty());
    }
    let _ = stub.monitor("reset halt");
    let _ = stub.try_binary(0x4000_0000);
    let _ = stub.write(&[(0x4000_0000, &[1; 600]), (u64::MAX - 7, &[2; 16])]);
    let pieces = [(0x4000_0000, 600), (u64::MAX - 7, 16)];
    if let Ok(memory) = stub.read(&pieces) {
        let sizes = memory.iter().map(Vec::len);
        assert!(sizes.eq(pieces.iter().map(|(_, bytes)| *bytes)));
    }
    true
}
