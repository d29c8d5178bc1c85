//! What is answered (contract `otp-bus.md`, generate out and validate out).

use super::ask::Echo;

/// `{processInstanceId, clientId, channel, otpSent, error}`: all five are always there. No error: it was accepted for sending.
pub fn generated(echo: &Echo, error: Option<&str>) -> Vec<u8> {
    let process = echo.process.as_ref().map_or("null", |it| it.json());
    let (client, channel, sent) = (text(echo.client.as_deref()), text(echo.channel.as_deref()), error.is_none());
    let error = text(error);
    format!(r#"{{"processInstanceId":{process},"clientId":{client},"channel":{channel},"otpSent":{sent},"error":{error}}}"#).into_bytes()
}

/// `{processInstanceId?, clientId, channel, otpValid}`, and `error` where it could not be judged.
pub fn validated(echo: &Echo, judged: Result<bool, &str>) -> Vec<u8> {
    let process = echo.process.as_ref().map_or(String::new(), |it| format!(r#""processInstanceId":{},"#, it.json()));
    let (client, channel, valid) = (text(echo.client.as_deref()), text(echo.channel.as_deref()), judged == Ok(true));
    let error = judged.err().map_or(String::new(), |it| format!(r#","error":{}"#, text(Some(it))));
    format!(r#"{{{process}"clientId":{client},"channel":{channel},"otpValid":{valid}{error}}}"#).into_bytes()
}

fn text(it: Option<&str>) -> String {
    // A text can always be written as JSON.
    it.and_then(|it| serde_json::to_string(it).ok()).unwrap_or_else(|| "null".to_owned())
}
