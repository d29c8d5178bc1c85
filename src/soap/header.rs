//! `jXchangeHdr`: read in any order, written with its version markers nested as the schema has them.

use super::malformed::Read;
use super::record::{Record, Shape, text};
use super::writer::Writer;
use super::xml::Reader;
use crate::domain::request::Header;

const SHAPE: Shape = Shape {
    once: &[
        "JxVer",
        "AuditUsrId",
        "AuditWsId",
        "AuthenUsrId",
        "ConsumerName",
        "ConsumerProd",
        "jXLogTrackingId",
        "InstRtId",
        "InstEnv",
        "BusCorrelId",
        "WorkflowCorrelId",
        "ValidConsmName",
        "ValidConsmProd",
    ],
    many: &[],
    last: 6,
};

// A marker, and the fields of its level.
type Level<'a> = (&'static str, &'a [(&'static str, Option<&'a str>)]);

/// Reads the open `jXchangeHdr`.
pub fn read(reader: &mut Reader<'_>) -> Read<Header> {
    let mut header = Header::default();
    let mut record = Record::new(&SHAPE);
    while let Some((name, element)) = record.next(reader)? {
        let value = text(reader, &element)?;
        *match name {
            "JxVer" => &mut header.jx_ver,
            "AuditUsrId" => &mut header.audit_usr_id,
            "AuditWsId" => &mut header.audit_ws_id,
            "AuthenUsrId" => &mut header.authen_usr_id,
            "ConsumerName" => &mut header.consumer_name,
            "ConsumerProd" => &mut header.consumer_prod,
            "jXLogTrackingId" => &mut header.tracking_id,
            "InstRtId" => &mut header.inst_rt_id,
            "InstEnv" => &mut header.inst_env,
            "BusCorrelId" => &mut header.bus_correl_id,
            "WorkflowCorrelId" => &mut header.workflow_correl_id,
            "ValidConsmName" => &mut header.valid_consm_name,
            _ => &mut header.valid_consm_prod,
        } = value;
    }
    Ok(header)
}

/// Writes the content of `jXchangeHdr` or `FaultHdr`. The two audit ids are required there: an absent one is written
/// empty. `JxVer` and `jXLogTrackingId` are those of `filled` where there is none. Each level's marker comes before it, also where
/// the level is empty, as deep as there is a value.
pub fn write(out: &mut Writer, header: &Header, filled: Option<(&str, &str)>) {
    let (jx_ver, tracking_id) = filled.unzip();
    out.optional("JxVer", header.jx_ver.as_deref().or(jx_ver));
    out.leaf("AuditUsrId", header.audit_usr_id.as_deref().unwrap_or_default());
    out.leaf("AuditWsId", header.audit_ws_id.as_deref().unwrap_or_default());
    out.optional("AuthenUsrId", header.authen_usr_id.as_deref());
    out.optional("ConsumerName", header.consumer_name.as_deref());
    out.optional("ConsumerProd", header.consumer_prod.as_deref());
    let levels: [Level<'_>; 5] = [
        ("Ver_1", &[("jXLogTrackingId", header.tracking_id.as_deref().or(tracking_id))]),
        ("Ver_2", &[("InstRtId", header.inst_rt_id.as_deref()), ("InstEnv", header.inst_env.as_deref())]),
        ("Ver_3", &[("BusCorrelId", header.bus_correl_id.as_deref())]),
        ("Ver_4", &[("WorkflowCorrelId", header.workflow_correl_id.as_deref())]),
        ("Ver_5", &[("ValidConsmName", header.valid_consm_name.as_deref()), ("ValidConsmProd", header.valid_consm_prod.as_deref())]),
    ];
    let depth = levels.iter().rposition(|(_, fields)| fields.iter().any(|(_, value)| value.is_some())).map_or(0, |at| at + 1);
    for (marker, fields) in &levels[..depth] {
        out.empty(marker);
        for (name, value) in *fields {
            out.optional(name, *value);
        }
    }
}
