//! The contract itself, for stub generators: `?wsdl` and `?xsd=<name>` of a service's path.

use super::writer::escape;

/// Path of the service, as publishers have it configured (`oobvalidate.md`, wire).
pub const IMS_PATH: &str = "/jxchange/2008/ServiceGateway/IMS.svc";

const IMS: &str = include_str!("../../wsdl/IMSService.wsdl");
const SCHEMAS: [(&str, &str); 2] =
    [("TPG_IMS.xsd", include_str!("../../xsd/TPG_IMS.xsd")), ("WSSE.xsd", include_str!("../../xsd/WSSE.xsd"))];
/// The address that the file on disk names.
const ADDRESS: &str = "http://localhost:8080/jxchange/2008/ServiceGateway/IMS.svc";

/// The document that a `GET` with this query string asks for; `None` when there is none. `address` is the service's URL
/// as the client reached us, or the configured public one, without a query. Media type: `text/xml; charset=utf-8`.
pub fn serve(query: &str, address: &str) -> Option<String> {
    let address = escape(address);
    if query.eq_ignore_ascii_case("wsdl") {
        return Some(relocate(&IMS.replace(ADDRESS, &address), &address));
    }
    let (key, name) = query.split_once('=')?;
    let (_, schema) = SCHEMAS.iter().find(|(known, _)| key.eq_ignore_ascii_case("xsd") && *known == name)?;
    Some(relocate(schema, &address))
}

// Every schemaLocation, a path on disk, becomes a query of ours. Absolute: some generators resolve a bare query wrongly.
fn relocate(document: &str, address: &str) -> String {
    let mut parts = document.split("schemaLocation=\"");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (path, rest) = part.split_once('"').unwrap_or((part, ""));
        let name = path.rsplit('/').next().unwrap_or(path);
        out.push_str(&format!("schemaLocation=\"{address}?xsd={name}\"{rest}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_locations_are_the_clients() {
        let wsdl = serve("wsdl", "https://bank.example/a&b/IMS.svc").unwrap();
        assert!(wsdl.contains("location=\"https://bank.example/a&amp;b/IMS.svc\""));
        assert!(wsdl.contains("schemaLocation=\"https://bank.example/a&amp;b/IMS.svc?xsd=TPG_IMS.xsd\""));
        assert!(!wsdl.contains("localhost") && !wsdl.contains("../xsd"));
        let schema = serve("xsd=TPG_IMS.xsd", "http://h/x").unwrap();
        assert!(schema.contains("schemaLocation=\"http://h/x?xsd=WSSE.xsd\""));
        assert!(serve("XSD=WSSE.xsd", "http://h/x").is_some() && serve("WSDL", "http://h/x").is_some());
    }

    #[test]
    fn only_what_exists_is_served_and_without_a_document_type() {
        for unknown in ["", "xsd=", "xsd=../Cargo.toml", "xsd=tpg_ims.xsd", "singleWsdl", "wsdl=1"] {
            assert_eq!(serve(unknown, "http://h/x"), None, "{unknown}");
        }
        for query in ["wsdl", "xsd=TPG_IMS.xsd", "xsd=WSSE.xsd"] {
            assert!(!serve(query, "http://h/x").unwrap().contains("<!DOCTYPE"));
        }
    }
}
