"""Validates whole envelopes by our schema, with lxml (libxml2).

Reads a JSON list of documents from stdin; prints a JSON list with what is wrong with each, an empty string for a valid one.
"""

import json
import pathlib
import sys

from lxml import etree

HERE = pathlib.Path(__file__).parent
SCHEMAS = {
    "{http://schemas.xmlsoap.org/soap/envelope/}Envelope": etree.XMLSchema(file=str(HERE / "soap11.xsd")),
    "{http://www.w3.org/2003/05/soap-envelope}Envelope": etree.XMLSchema(file=str(HERE / "soap12.xsd")),
}


def wrong(document):
    try:
        root = etree.fromstring(document.encode())
    except etree.XMLSyntaxError as error:
        return str(error)
    schema = SCHEMAS.get(root.tag)
    if schema is None:
        return f"{root.tag} is no envelope"
    return "" if schema.validate(root) else str(schema.error_log)


print(json.dumps([wrong(document) for document in json.load(sys.stdin)]))
