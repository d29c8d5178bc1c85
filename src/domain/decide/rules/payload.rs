//! What makes two requests the same: the id that was sent, and the body fields (decision 1).

use crate::domain::code::{Secret, Wiped};
use crate::domain::request::{Header, OobValidate};

// Only what was sent is a key; what we fill in never is (decision 1).
pub(super) fn repeat_key(header: &Header) -> Option<String> {
    let business = header.bus_correl_id.as_ref().map(|id| ["B:", id].concat());
    business.or_else(|| header.tracking_id.as_ref().map(|id| ["T:", id].concat()))
}

/// The parsed body fields, in the fixed order in which `each` gives them, each with its length, so that no two requests read alike.
/// Reserved at once: what grows leaves copies behind that nobody wipes.
pub fn canonical(each: impl Fn(&mut dyn FnMut(Option<&str>))) -> Wiped {
    let mut len = 0;
    each(&mut |text| len += 4 + text.map_or(0, str::len));
    let mut out = Wiped(Vec::with_capacity(len));
    each(&mut |text| {
        out.extend_from_slice(&text.map_or(u32::MAX, |it| u32::try_from(it.len()).unwrap_or(u32::MAX)).to_le_bytes());
        out.extend_from_slice(text.unwrap_or_default().as_bytes());
    });
    out
}

pub(super) fn each_field(request: &OobValidate, put: &mut dyn FnMut(Option<&str>)) {
    put(request.alrt_name.as_deref());
    if let Some(choice) = &request.recipient {
        put(choice.id.text());
        put(choice.account.as_deref());
        choice.contacts.iter().for_each(|it| put(it.text()));
    }
    put(None);
    for (name, value) in &request.data {
        put(name.text());
        put(value.as_ref().map(Secret::expose));
    }
    put(None);
    for text in [&request.inst_rt_id, &request.consumer_prod, &request.pub_ver, &request.phone_num] {
        put(text.as_deref());
    }
    for secret in [&request.sms_text, &request.verif_val, &request.encrypt_salt] {
        put(secret.as_ref().map(Secret::expose));
    }
    for text in [&request.mode, &request.exp_sec, &request.encrypt_type, &request.test] {
        put(text.as_deref());
    }
}
