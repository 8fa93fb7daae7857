//! The lines of `/proc/net/tcp` and `/proc/net/tcp6`.

use std::collections::BTreeSet;

/// `TCP_LISTEN`.
const LISTENING: &str = "0A";

/// Numbers of the sockets that listen on a port at an address that a loopback URL reaches: loopback itself or any.
pub(super) fn listening_sockets(table: &str, port: u16) -> BTreeSet<u64> {
    table.lines().skip(1).filter_map(|line| listening(line, port)).collect()
}

fn listening(line: &str, port: u16) -> Option<u64> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (address, number) = fields.get(1)?.split_once(':')?;
    let fits = *fields.get(3)? == LISTENING && u16::from_str_radix(number, 16) == Ok(port);
    if !fits || !is_reached_by_loopback(address) {
        return None;
    }
    fields.get(9)?.parse().ok().filter(|inode| *inode != 0)
}

/// Addresses stand as words in the order of the processor's bytes.
fn is_reached_by_loopback(address: &str) -> bool {
    let words: Vec<u32> = (0..address.len() / 8)
        .filter_map(|at| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok())
        .collect();
    let v4 = |word: u32| word == 0 || word.to_ne_bytes()[0] == 127;
    match words[..] {
        [word] => v4(word),
        [0, 0, 0, last] => last == 0 || last.to_ne_bytes() == [0, 0, 0, 1],
        [0, 0, mapped, word] => mapped.to_ne_bytes() == [0, 0, 0xff, 0xff] && v4(word),
        _ => false,
    }
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 x
   1: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12 1 x
   2: 0100007F:0BB8 0100007F:1234 01 00000000:00000000 00:00000000 00000000  1000        0 13 1 x
   3: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 14 1 x
   4: 0A01A8C0:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 15 1 x
   5: not a line
";
    const TABLE6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 21 1 x
   1: 00000000000000000000000000000000:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22 1 x
   2: 0000000000000000FFFF00000100007F:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 23 1 x
   3: 0120000000000000FFFF00000100007F:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 24 1 x
";

    #[test]
    fn only_listening_sockets_that_loopback_reaches_count() {
        assert_eq!(listening_sockets(TABLE, 3000), BTreeSet::from([11, 12]));
        assert_eq!(listening_sockets(TABLE, 3001), BTreeSet::from([14]));
        assert_eq!(listening_sockets(TABLE6, 3000), BTreeSet::from([21, 22, 23]));
        assert!(listening_sockets("", 3000).is_empty());
    }
}
