//! Our schema against the contract's tables, transcribed here in the contract's own notation, so that the schema cannot be
//! merely consistent with itself.
//!
//! Notation: `?` optional, `*` repeated, `nil` nillable, `[…]` an optional level behind its marker, `{…}` content, `any*`
//! anything of our namespace, `other*` anything of others. `Custom` is always `Custom{other*}`.

use countersign::soap::xml::{Element, Node, Reader};
use std::collections::{BTreeMap, BTreeSet};

const HEADER: &str = "jXchangeHdr{ JxVer? AuditUsrId AuditWsId AuthenUsrId? ConsumerName? ConsumerProd?
    [Ver_1 jXLogTrackingId? [Ver_2 InstRtId? InstEnv? [Ver_3 BusCorrelId? [Ver_4 WorkflowCorrelId?
    [Ver_5 ValidConsmName? ValidConsmProd? [Ver_6 any*]]]]]] }";
const RECORD: &str = "{ ErrCode ErrCat ErrDesc ErrElem? ErrElemVal? ErrLoc? [Ver_1 any*] }";

#[test]
fn the_request_is_as_the_contract_has_it() {
    let expected = format!(
        "MsgRqHdr{{ {HEADER} [Ver_1 AuthenUsrCred?{{wsse:Security}} [Ver_2 AuthenProdCred?{{wsse:Security}} [Ver_3 any*]]] }}
         AlrtName? nil
         OOBRecipInfoRec? nil {{ ConsmRecipId ConsmRecipAcctId? OOBRecipInfoArray?{{ OOBRecipConIdInfoRec* nil {{ RecipConId Custom? [Ver_1 any*] }} }} Custom? [Ver_1 any*] }}
         AlrtDataInfoArray? nil {{ AlrtDataInfoRec* nil {{ Name Val Custom? [Ver_1 any*] }} }}
         InstRtId? nil ConsumerProd? nil PubVer? nil
         PhoneNum? nil SMSText? nil
         VerifVal? nil OOBModeType? nil
         OOBExpSec? nil (xsd:int) EncryptVerifValType? nil EncryptVerifValSalt? nil AlrtTestType? nil
         Custom? nil [Ver_1 any*]"
    );
    check("OOBValidate", &expected);
    check("OOBValidateRq", &expected);
}

#[test]
fn the_response_is_as_the_contract_has_it() {
    let expected = format!(
        "MsgRsHdr{{ {HEADER} MsgRecInfoArray?{{ MsgRec*{RECORD} }} [Ver_1 any*] }}
         AlrtPkgId? nil OTP? nil RsStat? nil Custom? nil [Ver_1 any*]"
    );
    check("OOBValidateResponse", &expected);
    check("OOBValidateRs", &expected);
}

#[test]
fn the_fault_is_as_the_contract_has_it() {
    let header = HEADER.replace("jXchangeHdr{", "FaultHdr nil {");
    check("HdrFault", &format!("{header} FaultRecInfoArray? nil {{ FaultMsgRec*{RECORD} }} [Ver_1 any*]"));
}

#[test]
fn ping_is_as_the_contract_has_it() {
    check("Ping", "PingRq [Ver_1 any*]");
    check("PingResponse", "PingRs [Ver_1 SvcProdVer? [Ver_2 any*]]");
}

#[test]
fn custom_holds_other_namespaces_only() {
    let schema = Schema::read();
    assert_eq!(schema.content("Custom_CType"), "other*");
}

#[test]
fn markers_are_empty_and_sent_by_clients_themselves() {
    let schema = Schema::read();
    for element in schema.root.all("element").filter(|it| it.get("name").starts_with("Ver_")) {
        assert_eq!((element.get("type"), element.attributes.get("default").map(String::as_str)), ("tpg:Ver_Type", Some("")));
    }
    let longest = schema.named("simpleType", "Ver_Type").all("maxLength").next().map(|it| it.get("value"));
    assert_eq!(longest, Some("0"));
}

#[test]
fn each_leaf_has_the_attributes_of_the_contract() {
    let table: BTreeMap<&str, &str> = [
        ("JHANull Rstr", "AlrtPkgId AlrtTestType ConsmRecipId InstRtId PubVer RecipConId Val"),
        ("JHANull Rstr SrchType", "AlrtName PhoneNum"),
        ("JHANull MaskVal Rstr", "ConsmRecipAcctId"),
    ]
    .into_iter()
    .flat_map(|(attributes, names)| names.split(' ').map(move |name| (name, attributes)))
    .collect();
    let schema = Schema::read();
    let mut met = BTreeSet::new();
    for element in schema.root.all("element").filter(|it| it.attributes.contains_key("name")) {
        let Some(leaf) = element.get("type").strip_prefix("tpg:") else {
            assert!(!table.contains_key(element.get("name")), "{} has no attributes", element.get("name"));
            continue;
        };
        if let Some(kind) = schema.find("complexType", leaf) {
            let found: BTreeSet<&str> = kind.all("attribute").map(|it| it.get("name")).collect();
            let found = found.into_iter().collect::<Vec<_>>().join(" ");
            assert_eq!(found, table.get(element.get("name")).copied().unwrap_or_default(), "{}", element.get("name"));
        }
        met.insert(element.get("name").to_owned());
    }
    assert!(table.keys().all(|name| met.contains(*name)), "an element of the table is missing");
}

#[test]
fn the_wsdl_has_the_names_that_clients_are_generated_with() {
    let wsdl = Tree::read(include_str!("../wsdl/IMSService.wsdl"));
    let name = |kind: &str| wsdl.all(kind).map(|it| it.get("name").to_owned()).collect::<Vec<_>>();
    assert_eq!(wsdl.get("targetNamespace"), "http://jackhenry.com/jxchange/TPG/2008");
    assert_eq!(name("portType"), ["IMSService"]);
    assert_eq!(
        wsdl.children.iter().filter(|it| it.name == "binding").map(|it| it.get("name")).collect::<Vec<_>>(),
        ["IMSServiceSoapBinding"]
    );
    assert_eq!((name("service"), name("port")), (vec!["IMSService".to_owned()], vec!["IMSServiceSoap".to_owned()]));
    assert!(wsdl.all("part").count() == 5 && wsdl.all("part").all(|it| it.get("name") == "parameters"));
    let fault = wsdl.all("message").find(|it| it.get("name") == "MessageFault").unwrap();
    assert_eq!(fault.children[0].get("element"), "tpg:HdrFault");
    let port = wsdl.all("portType").next().unwrap();
    for operation in port.all("operation") {
        let faults: Vec<_> = operation.all("fault").map(|it| (it.get("name"), it.get("message"))).collect();
        assert_eq!(faults, [("Fault", "tpg:MessageFault")]);
    }
    let actions: Vec<_> = wsdl.all("operation").filter_map(|it| it.attributes.get("soapAction")).collect();
    assert_eq!(actions, ["http://jackhenry.com/ws/OOBValidate", "http://jackhenry.com/ws/Ping"]);
    let schema = wsdl.all("schema").next().unwrap();
    assert_eq!((schema.get("elementFormDefault"), schema.get("attributeFormDefault")), ("qualified", "unqualified"));
}

#[test]
fn the_security_element_is_lax() {
    let schema = Tree::read(include_str!("../xsd/WSSE.xsd"));
    let any = schema.all("any").next().unwrap();
    let attribute = schema.all("anyAttribute").next().unwrap();
    assert_eq!((any.get("processContents"), attribute.get("processContents"), attribute.get("namespace")), ("lax", "lax", "##other"));
    assert_eq!(schema.all("element").map(|it| it.get("name")).collect::<Vec<_>>(), ["Security"]);
}

#[track_caller]
fn check(root: &str, expected: &str) {
    let schema = Schema::read();
    let element = schema.root.children.iter().find(|it| it.name == "element" && it.get("name") == root).expect("declared");
    assert_eq!(spaced(&schema.content(element.get("type").trim_start_matches("tpg:"))), spaced(expected), "{root}");
}

// One blank between tokens.
fn spaced(notation: &str) -> String {
    let mut out = notation.to_owned();
    for mark in ["{", "}", "[", "]"] {
        out = out.replace(mark, &format!(" {mark} "));
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Schema {
    root: Tree,
}

impl Schema {
    fn read() -> Self {
        Self { root: Tree::read(include_str!("../xsd/TPG_IMS.xsd")) }
    }

    fn find(&self, kind: &str, name: &str) -> Option<&Tree> {
        self.root.children.iter().find(|it| it.name == kind && it.get("name") == name)
    }

    fn named(&self, kind: &str, name: &str) -> &Tree {
        self.find(kind, name).unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    // The content of a complex type in the contract's notation; empty for a leaf.
    fn content(&self, name: &str) -> String {
        let kind = self.named("complexType", name);
        kind.children.iter().filter(|it| it.name == "sequence").map(|it| self.particles(it)).collect()
    }

    fn particles(&self, sequence: &Tree) -> String {
        let shown = sequence.children.iter().map(|it| match it.name.as_str() {
            "sequence" => {
                assert_eq!(it.get("minOccurs"), "0");
                format!("[{}]", self.particles(it))
            }
            "any" => any(it),
            _ => self.element(it),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    fn element(&self, element: &Tree) -> String {
        if let Some(reference) = element.attributes.get("ref") {
            return reference.clone();
        }
        let occurs =
            match (element.attributes.get("minOccurs").map(String::as_str), element.attributes.get("maxOccurs").map(String::as_str)) {
                (None, None) => "",
                (Some("0"), None) => "?",
                (Some("0"), Some("unbounded")) => "*",
                other => panic!("unforeseen cardinality {other:?}"),
            };
        let nil = if element.attributes.get("nillable").is_some_and(|it| it == "true") { " nil" } else { "" };
        let (kind, name) = (element.get("type"), element.get("name"));
        let inner = match kind.strip_prefix("tpg:") {
            None if kind == "xs:string" => String::new(),
            None => format!(" ({})", kind.replace("xs:", "xsd:")),
            Some("Custom_CType" | "Ver_Type") => String::new(),
            Some(complex) => Some(self.content(complex)).filter(|it| !it.is_empty()).map(|it| format!("{{{it}}}")).unwrap_or_default(),
        };
        format!("{name}{occurs}{nil}{inner}")
    }
}

fn any(any: &Tree) -> String {
    assert_eq!((any.get("processContents"), any.get("minOccurs"), any.get("maxOccurs")), ("lax", "0", "unbounded"));
    match any.get("namespace") {
        "##targetNamespace" => "any*".into(),
        "##other" => "other*".into(),
        other => panic!("unforeseen namespace {other}"),
    }
}

struct Tree {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Tree>,
}

impl Tree {
    fn read(text: &str) -> Self {
        let mut reader = Reader::new(text);
        let root = reader.root().unwrap();
        Self::build(&mut reader, &root)
    }

    // Annotations are left out.
    fn build(reader: &mut Reader<'_>, element: &Element<'_>) -> Self {
        let attributes = element.attributes.iter().map(|it| (it.name.to_owned(), it.value.to_string())).collect();
        let mut tree = Self { name: element.name.to_owned(), attributes, children: Vec::new() };
        loop {
            match reader.node().unwrap() {
                Node::Open(child) if matches!(child.name, "annotation" | "documentation") => reader.skip().unwrap(),
                Node::Open(child) => tree.children.push(Self::build(reader, &child)),
                Node::Text(_) => {}
                Node::Close | Node::Eof => return tree,
            }
        }
    }

    fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map(String::as_str).unwrap_or_default()
    }

    fn all<'a>(&'a self, name: &'a str) -> Box<dyn Iterator<Item = &'a Tree> + 'a> {
        let own = self.children.iter().filter(move |it| it.name == name);
        Box::new(own.chain(self.children.iter().flat_map(move |it| it.all(name))))
    }
}
