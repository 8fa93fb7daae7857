//! Who signed a certificate, for a person to read: a proxy that inspects TLS gives itself away by its name.

/// The organisation and common name of whoever signed a certificate (DER), or nothing where it cannot be read.
///
/// Reads as far as the issuer and no further. The certificate is a stranger's: every length is checked, nothing is kept.
pub(crate) fn issuer(certificate: &[u8]) -> Option<String> {
    let mut outer = Der(certificate);
    let mut certificate = Der(outer.take(SEQUENCE)?);
    let mut signed = Der(certificate.take(SEQUENCE)?);
    // version 1 has none
    if signed.peek() == Some(VERSION) {
        signed.take(VERSION)?;
    }
    signed.take(INTEGER)?;
    signed.take(SEQUENCE)?;
    let mut name = Der(signed.take(SEQUENCE)?);
    let mut parts = Vec::new();
    while let Some(set) = name.take(SET) {
        let mut pair = Der(Der(set).take(SEQUENCE)?);
        let kind = pair.take(OBJECT_ID)?;
        let (_, text) = pair.any()?;
        if [COMMON_NAME, ORGANISATION].contains(&kind) {
            parts.push(readable(text));
        }
    }
    let whole = parts.join(", ");
    (!whole.is_empty()).then_some(whole)
}

const INTEGER: u8 = 0x02;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.4.10
const ORGANISATION: &[u8] = &[0x55, 0x04, 0x0a];
/// Longest part of a name that is shown, in characters.
const MOST: usize = 100;

/// Attack: a name with line ends and terminal codes, to forge a line of a log.
fn readable(text: &[u8]) -> String {
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(text).chars().take(MOST).map(plain).collect()
}

/// What is left of some DER.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next element, if it is of a kind.
    fn take(&mut self, kind: u8) -> Option<&'a [u8]> {
        if self.peek() != Some(kind) {
            return None;
        }
        Some(self.any()?.1)
    }

    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&kind, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first & 0x80 != 0 {
            let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
            // longer than three bytes is no certificate
            if digits.is_empty() || digits.len() > 3 {
                return None;
            }
            length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
            rest = after;
        }
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((kind, content))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made() -> Vec<u8> {
        let mut parameters = rcgen::CertificateParams::new(vec!["siem.example.com".to_owned()]).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::OrganizationName, "Example Inspection");
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "Proxy\nroot");
        let key = rcgen::KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn who_signed_a_certificate_is_read_and_made_harmless() {
        let name = issuer(&made()).unwrap();
        assert!(name.contains("Example Inspection") && name.contains("Proxy\u{fffd}root"), "{name}");
    }

    #[test]
    fn a_certificate_cut_anywhere_gives_a_name_or_nothing() {
        let whole = made();
        for end in 0..whole.len() {
            let _ = issuer(&whole[..end]);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = issuer(&bytes);
        }
    }
}
