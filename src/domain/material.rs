//! What a message is rendered from: sealed while its session lives, gone afterwards (decisions 2, 3).

use super::code::{Secret, Wiped};

/// Code, parameters and text of a challenge.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Material {
    /// The code that `<%$otp%>` shows.
    pub otp: Option<Secret>,
    /// The code that `<%$otpa%>` shows.
    pub otpa: Option<Secret>,
    /// The text of an explicit challenge, tags still in it; `None` at the native level.
    pub text: Option<Secret>,
    /// Parameters, as sent.
    pub parameters: Vec<(String, Secret)>,
}

impl Material {
    /// What `OTP` of the response shows: the code we generated, of either kind.
    pub fn code(&self) -> Option<&Secret> {
        self.otp.as_ref().or(self.otpa.as_ref())
    }

    /// Reads what [`write()`] wrote; `None` when the bytes are not that.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut heads = [None, None, None];
        for head in &mut heads {
            *head = take(&mut bytes)?.map(Secret::new);
        }
        let [otp, otpa, text] = heads;
        let mut parameters = Vec::new();
        while !bytes.is_empty() {
            let name = take(&mut bytes)??.to_owned();
            parameters.push((name, Secret::new(take(&mut bytes)??)));
        }
        Some(Self { otp, otpa, text, parameters })
    }
}

/// The plain bytes of a material to seal: the OTP, the OTPA and the text, and the parameters, as length-prefixed texts. They are
/// wiped when they are dropped.
pub fn write(heads: [Option<&Secret>; 3], parameters: &[(String, Secret)]) -> Wiped {
    let heads = heads.map(|it| it.map(Secret::expose));
    let texts = parameters.iter().flat_map(|(name, value)| [Some(name.as_str()), Some(value.expose())]);
    let texts = || heads.into_iter().chain(texts.clone());
    // Reserved at once: what grows leaves copies behind that nobody wipes.
    let len = texts().map(|it| 4 + it.map_or(0, str::len)).sum();
    let mut out = Wiped(Vec::with_capacity(len));
    for text in texts() {
        let len = text.map_or(u32::MAX, |it| u32::try_from(it.len()).unwrap_or(u32::MAX - 1));
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(text.unwrap_or_default().as_bytes());
    }
    out
}

// The outer option: the bytes are well formed; the inner one: there is a text.
fn take<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a str>> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len);
    *bytes = rest;
    if len == u32::MAX {
        return Some(None);
    }
    let (text, rest) = bytes.split_at_checked(len as usize)?;
    *bytes = rest;
    Some(Some(std::str::from_utf8(text).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(otp in "[0-9]{0,6}", text in proptest::option::of(".*"), pairs in proptest::collection::vec((".*", ".*"), 0..6)) {
            let parameters = pairs.into_iter().map(|(n, v)| (n, Secret::new(v))).collect();
            let material = Material { otp: Some(Secret::new(otp)), otpa: None, text: text.map(Secret::new), parameters };
            let heads = [&material.otp, &material.otpa, &material.text].map(Option::as_ref);
            prop_assert_eq!(Material::from_bytes(&write(heads, &material.parameters)), Some(material));
        }

        #[test]
        fn other_bytes_are_refused_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Material::from_bytes(&bytes);
        }
    }
}
