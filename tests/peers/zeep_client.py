"""A publisher as a .NET or Java shop would build one: zeep reads the WSDL of a running server and calls its operations.

Prints one JSON object: the name of each call, and what the caller got of it.

Usage: zeep_client.py BASE USER PASSWORD
"""

import json
import sys

import requests
import zeep
from lxml import etree
from zeep.transports import Transport
from zeep.wsse.username import UsernameToken

TPG = "{http://jackhenry.com/jxchange/TPG/2008}"
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
HEADER = {"jXchangeHdr": {"AuditUsrId": "teller", "AuditWsId": "branch-1"}}
TEXT = "First Harbor: your code is <%$otp%>. Reply with it."


def request(phone, **more):
    return {"MsgRqHdr": HEADER, "PhoneNum": phone, "SMSText": TEXT, **more}


def answer(value):
    return {"id": value.AlrtPkgId._value_1, "otp": value.OTP, "status": value.RsStat, "user": value.MsgRsHdr.jXchangeHdr.AuditUsrId}


def fault(client, call):
    """A fault as zeep raises it; its detail is read by the type that the WSDL gives it."""
    try:
        return {"answer": str(call())}
    except zeep.exceptions.Fault as error:
        told = {"code": error.code, "message": error.message, "rules": []}
        detail = error.detail.find(f"{TPG}HdrFault") if error.detail is not None else None
        if detail is not None:
            read = client.get_element(f"{TPG}HdrFault").parse(detail, client.wsdl.types)
            told["rules"] = [
                {"code": it.ErrCode, "category": it.ErrCat, "element": it.ErrElem, "description": it.ErrDesc}
                for it in read.FaultRecInfoArray.FaultMsgRec
            ]
        return told


def tutorial(client, session, address, name, value):
    """Calls by the tutorial's root, which is an element of the schema but no operation: zeep writes and reads its type."""
    envelope = etree.Element(f"{SOAP}Envelope")
    body = etree.SubElement(envelope, f"{SOAP}Body")
    element = client.get_element(f"{TPG}{name}")
    element.render(body, element(value) if isinstance(value, str) else element(**value))
    headers = {"content-type": "text/xml; charset=utf-8", "soapaction": f'"http://jackhenry.com/ws/{name[:-2]}"'}
    response = session.post(address, etree.tostring(envelope), headers=headers)
    root = etree.fromstring(response.content).find(f"{SOAP}Body")[0]
    assert root.tag == f"{TPG}{name[:-2]}Rs", etree.tostring(root)
    return client.get_element(root.tag).parse(root, client.wsdl.types)


def main():
    base, user, password = sys.argv[1:]
    address = f"{base}/jxchange/2008/ServiceGateway/IMS.svc"
    session = requests.Session()
    session.trust_env = False
    session.auth = (user, password)
    by_basic = zeep.Client(f"{address}?wsdl", transport=Transport(session=session, timeout=30, operation_timeout=30))
    bare = requests.Session()
    bare.trust_env = False
    by_token = zeep.Client(
        f"{address}?wsdl",
        transport=Transport(session=bare, timeout=30, operation_timeout=30),
        wsse=UsernameToken(user, password),
    )
    wrong = zeep.Client(
        f"{address}?wsdl",
        transport=Transport(session=bare, timeout=30, operation_timeout=30),
        wsse=UsernameToken(user, password + "x"),
    )
    anonymous = zeep.Client(f"{address}?wsdl", transport=Transport(session=bare, timeout=30, operation_timeout=30))
    native = {
        "MsgRqHdr": HEADER,
        "AlrtName": "Unknown User OOB Alert",
        "OOBRecipInfoRec": {
            "ConsmRecipId": "MERCHANT89785",
            "OOBRecipInfoArray": {"OOBRecipConIdInfoRec": [{"RecipConId": "Mobile number"}]},
        },
        "AlrtDataInfoArray": {
            "AlrtDataInfoRec": [
                {"Name": "username", "Val": "Corellia"},
                {"Name": "OTPExpires", "Val": "2017-01-26T14:58:20Z"},
            ],
        },
    }
    told = {
        "operations": sorted(by_basic.wsdl.services["IMSService"].ports["IMSServiceSoap"].binding._operations),
        "ping": anonymous.service.Ping(PingRq="harbor").PingRs,
        "basic": answer(by_basic.service.OOBValidate(**request("2025550123"))),
        "token": answer(by_token.service.OOBValidate(**request("2025550124"))),
        "native": answer(by_basic.service.OOBValidate(**native)),
        "tutorial": answer(tutorial(by_basic, session, address, "OOBValidateRq", request("2025550125"))),
        "tutorial_ping": tutorial(by_basic, session, address, "PingRq", "harbor"),
        "broken": fault(by_basic, lambda: by_basic.service.OOBValidate(**request("202555012", OOBExpSec=1))),
        "denied": fault(wrong, lambda: wrong.service.OOBValidate(**request("2025550123"))),
        "anonymous": fault(anonymous, lambda: anonymous.service.OOBValidate(**request("2025550123"))),
    }
    print(json.dumps(told))


main()
