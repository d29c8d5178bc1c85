"""A publisher as a Python shop would build one: zeep reads the WSDL of a running server and calls its operations.

Prints one JSON object: by the name of each case, what the caller got of it.

Usage: client.py BASE CASES
"""

import json
import sys

import requests
import zeep
from lxml import etree
from zeep.transports import Transport
from zeep.wsse import utils
from zeep.wsse.username import UsernameToken

TPG = "{http://jackhenry.com/jxchange/TPG/2008}"
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
USER = PASSWORD = "demo"


def main():
    base, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        cases = json.load(file)
    publisher = Publisher(f"{base}/jxchange/2008/ServiceGateway/IMS.svc")
    told = {case["name"]: publisher.ask(case) for case in cases if "zeep" in case.get("only", ["zeep"])}
    print(json.dumps(told))


class Publisher:
    def __init__(self, address):
        self.address = address
        self.clients = {
            "basic": self.client(login=(USER, PASSWORD)),
            "token": self.client(UsernameToken(USER, PASSWORD)),
            "token with timestamp": self.client(UsernameToken(USER, PASSWORD, timestamp_token=timestamp())),
            "wrong basic": self.client(login=(USER, PASSWORD + "x")),
            "wrong token": self.client(UsernameToken(USER, PASSWORD + "x")),
            "nobody": self.client(),
        }

    def client(self, wsse=None, login=None):
        session = requests.Session()
        session.trust_env = False
        session.auth = login
        transport = Transport(session=session, timeout=30, operation_timeout=30)
        return zeep.Client(f"{self.address}?wsdl", transport=transport, wsse=wsse)

    def ask(self, case):
        client = self.clients[case["as"]]
        try:
            if case["call"].endswith("Rq"):
                answer = tutorial(client, self.address, case["call"], case["request"])
            else:
                answer = getattr(client.service, case["call"])(**case["request"])
        except zeep.exceptions.Fault as fault:
            return {"raised": "zeep.exceptions.Fault", "fault": shown(client, fault)}
        if case["call"].startswith("Ping"):
            return {"pinged": answer if isinstance(answer, str) else answer.PingRs}
        return {
            "id": value(answer.AlrtPkgId),
            "otp": answer.OTP,
            "status": answer.RsStat,
            "header": header(answer.MsgRsHdr.jXchangeHdr),
        }


def timestamp():
    now = utils.get_timestamp()
    return utils.WSU.Timestamp(utils.WSU.Created(now))


def shown(client, fault):
    """A fault as zeep raises it; its detail is read by the type that the WSDL gives it."""
    told = {"code": fault.code, "message": fault.message, "header": None, "rules": []}
    detail = fault.detail.find(f"{TPG}HdrFault") if fault.detail is not None else None
    if detail is not None:
        read = client.get_element(f"{TPG}HdrFault").parse(detail, client.wsdl.types)
        told["header"] = header(read.FaultHdr)
        told["rules"] = [
            {
                "code": rule.ErrCode,
                "category": rule.ErrCat,
                "description": rule.ErrDesc,
                "element": rule.ErrElem,
                "value": rule.ErrElemVal,
            }
            for rule in read.FaultRecInfoArray.FaultMsgRec
        ]
    return told


def tutorial(client, address, name, request):
    """Calls by the tutorial's root, which is an element of the schema but no operation: zeep writes and reads its type."""
    envelope = etree.Element(f"{SOAP}Envelope")
    body = etree.SubElement(envelope, f"{SOAP}Body")
    element = client.get_element(f"{TPG}{name}")
    element.render(body, element(request) if isinstance(request, str) else element(**request))
    headers = {"content-type": "text/xml; charset=utf-8", "soapaction": f'"http://jackhenry.com/ws/{name[:-2]}"'}
    response = client.transport.session.post(address, etree.tostring(envelope), headers=headers)
    root = etree.fromstring(response.content).find(f"{SOAP}Body")[0]
    assert root.tag == f"{TPG}{name[:-2]}Rs", etree.tostring(root)
    return client.get_element(root.tag).parse(root, client.wsdl.types)


def header(read):
    """Every element of the header that is there, without the markers."""
    names = [name for name in dir(read) if not name.startswith(("_", "Ver_"))]
    return {name: value(read[name]) for name in names if read[name] is not None}


def value(read):
    """The text of an element, also of one whose type has attributes."""
    return read._value_1 if hasattr(read, "_value_1") else read


main()
