// A publisher as a C++ shop would build one: gSOAP generates the types and the proxy from our WSDL.
//
// Prints one JSON object: by the name of each case, what the caller got of it.
//
// Usage: client BASE CASES
// CASES has one line a case, `case TAB name TAB as TAB soap TAB call`, and below it one line for each element with a text,
// `path TAB text`, where a path is names and list positions with dots between.
#include "IMSServiceSoapBinding.nsmap"
#include "soapIMSServiceSoapBindingProxy.h"

#include <ctime>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

const char *const USER = "demo", *const PASSWORD = "demo";
const char *const PASSWORD_TEXT =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText";

struct Case {
    std::string name, as, soap, call;
    std::map<std::string, std::string> fields;
};

std::vector<std::string> split(const std::string &line) {
    std::vector<std::string> parts;
    std::stringstream stream(line);
    for (std::string part; std::getline(stream, part, '\t');) parts.push_back(part);
    return parts;
}

std::vector<Case> read(const char *path) {
    std::vector<Case> cases;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        const auto parts = split(line);
        if (parts.at(0) == "case") {
            cases.push_back({parts.at(1), parts.at(2), parts.at(3), parts.at(4), {}});
        } else {
            cases.back().fields[parts.at(0)] = parts.size() > 1 ? parts[1] : "";
        }
    }
    return cases;
}

// Builds the request's objects, and only those for which the case has a text.
class Builder {
  public:
    Builder(struct soap *soap, const Case &it) : soap(soap), fields(it.fields) {}

    tpg__OOBValidateRq_USCOREMType *request() {
        auto *made = soap_new_tpg__OOBValidateRq_USCOREMType(soap);
        made->MsgRqHdr = soap_new_tpg__MsgRqHdr_USCORECType(soap);
        made->MsgRqHdr->jXchangeHdr = header("MsgRqHdr.jXchangeHdr.");
        made->AlrtName = leaf<tpg__SearchLeaf_USCOREType>("AlrtName", soap_new_tpg__SearchLeaf_USCOREType);
        made->OOBRecipInfoRec = recipient();
        made->AlrtDataInfoArray = parameters();
        made->InstRtId = leaf<tpg__Leaf_USCOREType>("InstRtId", soap_new_tpg__Leaf_USCOREType);
        made->ConsumerProd = text("ConsumerProd");
        made->PubVer = leaf<tpg__Leaf_USCOREType>("PubVer", soap_new_tpg__Leaf_USCOREType);
        made->PhoneNum = leaf<tpg__SearchLeaf_USCOREType>("PhoneNum", soap_new_tpg__SearchLeaf_USCOREType);
        made->SMSText = text("SMSText");
        made->VerifVal = text("VerifVal");
        made->OOBModeType = text("OOBModeType");
        made->OOBExpSec = number("OOBExpSec");
        made->EncryptVerifValType = text("EncryptVerifValType");
        made->EncryptVerifValSalt = text("EncryptVerifValSalt");
        made->AlrtTestType = leaf<tpg__Leaf_USCOREType>("AlrtTestType", soap_new_tpg__Leaf_USCOREType);
        return made;
    }

  private:
    struct soap *soap;
    const std::map<std::string, std::string> &fields;

    std::string *text(const std::string &path) {
        const auto found = fields.find(path);
        if (found == fields.end()) return nullptr;
        std::string *made = soap_new_std__string(soap);
        *made = found->second;
        return made;
    }

    int *number(const std::string &path) {
        const auto found = fields.find(path);
        if (found == fields.end()) return nullptr;
        int *made = static_cast<int *>(soap_malloc(soap, sizeof(int)));
        *made = std::stoi(found->second);
        return made;
    }

    template <class Leaf, class New> Leaf *leaf(const std::string &path, New make) {
        const auto found = fields.find(path);
        if (found == fields.end()) return nullptr;
        Leaf *made = make(soap, -1);
        made->__item = found->second;
        return made;
    }

    // The levels of the header nest: each is there when it, or one below it, has something.
    tpg__jXchangeHdr_USCORECType *header(const std::string &at) {
        auto *made = soap_new_tpg__jXchangeHdr_USCORECType(soap);
        made->JxVer = text(at + "JxVer");
        made->AuditUsrId = fields.count(at + "AuditUsrId") ? fields.at(at + "AuditUsrId") : "";
        made->AuditWsId = fields.count(at + "AuditWsId") ? fields.at(at + "AuditWsId") : "";
        made->AuthenUsrId = text(at + "AuthenUsrId");
        made->ConsumerName = text(at + "ConsumerName");
        made->ConsumerProd = text(at + "ConsumerProd");
        if (!fields.count(at + "Ver_1")) return made;
        auto *one = made->__jXchangeHdr_USCORECType_sequence = soap_new___tpg__jXchangeHdr_USCORECType_sequence(soap);
        one->jXLogTrackingId = text(at + "jXLogTrackingId");
        if (!fields.count(at + "Ver_2")) return made;
        auto *two = one->__jXchangeHdr_USCORECType_sequence_ = soap_new___tpg__jXchangeHdr_USCORECType_sequence_(soap);
        two->InstRtId = leaf<tpg__Leaf_USCOREType>(at + "InstRtId", soap_new_tpg__Leaf_USCOREType);
        two->InstEnv = text(at + "InstEnv");
        if (!fields.count(at + "Ver_3")) return made;
        auto *three = two->__jXchangeHdr_USCORECType_sequence__ = soap_new___tpg__jXchangeHdr_USCORECType_sequence__(soap);
        three->BusCorrelId = text(at + "BusCorrelId");
        if (!fields.count(at + "Ver_4")) return made;
        auto *four = three->__jXchangeHdr_USCORECType_sequence___ =
            soap_new___tpg__jXchangeHdr_USCORECType_sequence___(soap);
        four->WorkflowCorrelId = text(at + "WorkflowCorrelId");
        if (!fields.count(at + "Ver_5")) return made;
        auto *five = four->__jXchangeHdr_USCORECType_sequence____ =
            soap_new___tpg__jXchangeHdr_USCORECType_sequence____(soap);
        five->ValidConsmName = text(at + "ValidConsmName");
        five->ValidConsmProd = text(at + "ValidConsmProd");
        return made;
    }

    tpg__OOBRecipInfoRec_USCORECType *recipient() {
        const std::string at = "OOBRecipInfoRec.";
        if (!fields.count(at + "ConsmRecipId")) return nullptr;
        auto *made = soap_new_tpg__OOBRecipInfoRec_USCORECType(soap);
        made->ConsmRecipId = leaf<tpg__Leaf_USCOREType>(at + "ConsmRecipId", soap_new_tpg__Leaf_USCOREType);
        const std::string list = at + "OOBRecipInfoArray.OOBRecipConIdInfoRec.";
        for (int place = 0; fields.count(list + std::to_string(place) + ".RecipConId"); place++) {
            if (!made->OOBRecipInfoArray) made->OOBRecipInfoArray = soap_new_tpg__OOBRecipInfoArray_USCOREAType(soap);
            auto *contact = soap_new_tpg__OOBRecipConIdInfoRec_USCORECType(soap);
            const std::string path = list + std::to_string(place) + ".RecipConId";
            contact->RecipConId = leaf<tpg__Leaf_USCOREType>(path, soap_new_tpg__Leaf_USCOREType);
            made->OOBRecipInfoArray->OOBRecipConIdInfoRec.push_back(contact);
        }
        return made;
    }

    tpg__AlrtDataInfoArray_USCOREAType *parameters() {
        tpg__AlrtDataInfoArray_USCOREAType *made = nullptr;
        const std::string list = "AlrtDataInfoArray.AlrtDataInfoRec.";
        for (int place = 0; fields.count(list + std::to_string(place) + ".Name"); place++) {
            if (!made) made = soap_new_tpg__AlrtDataInfoArray_USCOREAType(soap);
            auto *pair = soap_new_tpg__AlrtDataInfoRec_USCORECType(soap);
            pair->Name = fields.at(list + std::to_string(place) + ".Name");
            pair->Val = leaf<tpg__Leaf_USCOREType>(list + std::to_string(place) + ".Val", soap_new_tpg__Leaf_USCOREType);
            made->AlrtDataInfoRec.push_back(pair);
        }
        return made;
    }
};

std::string quoted(const std::string &text) {
    std::string made = "\"";
    for (const char letter : text) {
        if (letter == '"' || letter == '\\') made += '\\';
        made += letter;
    }
    return made + "\"";
}

std::string quoted(const std::string *text) { return text ? quoted(*text) : "null"; }

// The elements of a header that are there.
class Shown {
  public:
    explicit Shown(const tpg__jXchangeHdr_USCORECType &header) {
        add("JxVer", header.JxVer);
        add("AuditUsrId", &header.AuditUsrId);
        add("AuditWsId", &header.AuditWsId);
        add("AuthenUsrId", header.AuthenUsrId);
        add("ConsumerName", header.ConsumerName);
        add("ConsumerProd", header.ConsumerProd);
        const auto *one = header.__jXchangeHdr_USCORECType_sequence;
        if (!one) return;
        add("jXLogTrackingId", one->jXLogTrackingId);
        const auto *two = one->__jXchangeHdr_USCORECType_sequence_;
        if (!two) return;
        add("InstRtId", two->InstRtId ? &two->InstRtId->__item : nullptr);
        add("InstEnv", two->InstEnv);
        const auto *three = two->__jXchangeHdr_USCORECType_sequence__;
        if (!three) return;
        add("BusCorrelId", three->BusCorrelId);
        const auto *four = three->__jXchangeHdr_USCORECType_sequence___;
        if (!four) return;
        add("WorkflowCorrelId", four->WorkflowCorrelId);
        const auto *five = four->__jXchangeHdr_USCORECType_sequence____;
        if (!five) return;
        add("ValidConsmName", five->ValidConsmName);
        add("ValidConsmProd", five->ValidConsmProd);
    }

    std::string json() const { return "{" + members + "}"; }

  private:
    std::string members;

    void add(const char *name, const std::string *text) {
        if (!text) return;
        members += (members.empty() ? "" : ",") + quoted(name) + ":" + quoted(*text);
    }
};

std::string rule(const tpg__MsgRec_USCORECType &it) {
    return "{\"code\":" + quoted(it.ErrCode) + ",\"category\":" + quoted(it.ErrCat) + ",\"description\":" + quoted(it.ErrDesc) +
           ",\"element\":" + quoted(it.ErrElem) + ",\"value\":" + quoted(it.ErrElemVal) + "}";
}

// A fault as gSOAP hands it over, in SOAP 1.1 or 1.2, with its detail in the type that it generated from our WSDL.
std::string fault(struct soap *soap) {
    // gSOAP does not read the body that comes with a 401: it wants to be called again, with a password.
    if (soap->error == 401 || !soap->fault) return "{\"raised\":" + quoted("error " + std::to_string(soap->error)) + "}";
    const char *const *code = soap_faultcode(soap);
    const char *const *message = soap_faultstring(soap);
    const char *const *subcode = soap_faultsubcode(soap);
    const SOAP_ENV__Detail *detail = soap->version == 2 ? soap->fault->SOAP_ENV__Detail : soap->fault->detail;
    const tpg__HdrFault_USCOREMType *typed = detail ? detail->tpg__HdrFault : nullptr;
    std::string rules;
    if (typed && typed->FaultRecInfoArray) {
        for (const auto *it : typed->FaultRecInfoArray->FaultMsgRec) rules += (rules.empty() ? "" : ",") + rule(*it);
    }
    const std::string header = typed && typed->FaultHdr ? Shown(*typed->FaultHdr).json() : "null";
    const std::string shown = soap->version == 2 && subcode && *subcode ? *subcode : code && *code ? *code : "";
    return "{\"raised\":\"soap_fault\",\"fault\":{\"code\":" + quoted(shown) +
           ",\"message\":" + quoted(message && *message ? *message : "") + ",\"header\":" + header + ",\"rules\":[" + rules + "]}}";
}

// The security header with a token, and a timestamp before it if the case wants one.
void secure(IMSServiceSoapBindingProxy &proxy, const Case &it, char *password) {
    struct soap *soap = proxy.soap;
    _wsse__Security *security = soap_new__wsse__Security(soap);
    security->UsernameToken = soap_new__wsse__UsernameToken(soap);
    security->UsernameToken->Username = soap_strdup(soap, USER);
    security->UsernameToken->Password = soap_new__wsse__Password(soap);
    security->UsernameToken->Password->__item = password;
    security->UsernameToken->Password->Type = soap_strdup(soap, PASSWORD_TEXT);
    if (it.as.find("timestamp") != std::string::npos) {
        security->wsu__Timestamp = soap_new__wsu__Timestamp(soap);
        security->wsu__Timestamp->Created = soap_strdup(soap, soap_dateTime2s(soap, std::time(nullptr)));
    }
    proxy.soap_header(security);
}

// gSOAP's table of namespaces with those of SOAP 1.2: what the table says is what it speaks.
std::vector<struct Namespace> soap12() {
    std::vector<struct Namespace> table;
    for (const struct Namespace *it = namespaces; it->id; it++) table.push_back(*it);
    table.push_back({nullptr, nullptr, nullptr, nullptr});
    table[0].ns = "http://www.w3.org/2003/05/soap-envelope";
    table[1].ns = "http://www.w3.org/2003/05/soap-encoding";
    return table;
}

std::string ask(const std::string &endpoint, const Case &it) {
    IMSServiceSoapBindingProxy proxy(endpoint.c_str(), SOAP_C_UTFSTRING);
    struct soap *soap = proxy.soap;
    soap->connect_timeout = soap->send_timeout = soap->recv_timeout = 30;
    const std::vector<struct Namespace> table = soap12();
    if (it.soap == "1.2") soap_set_namespaces(soap, table.data());
    char *password = soap_strdup(soap, (std::string(PASSWORD) + (it.as.find("wrong") == 0 ? "x" : "")).c_str());
    if (it.as.find("basic") != std::string::npos) {
        soap->userid = USER;
        soap->passwd = password;
    } else if (it.as.find("token") != std::string::npos) {
        secure(proxy, it, password);
    }
    if (it.call == "Ping") {
        tpg__PingRq_USCOREMType request;
        tpg__PingRs_USCOREMType answer;
        request.PingRq = it.fields.at("PingRq");
        return proxy.Ping(&request, answer) ? fault(soap) : "{\"pinged\":" + quoted(answer.PingRs) + "}";
    }
    tpg__OOBValidateRs_USCOREMType answer;
    if (proxy.OOBValidate(Builder(soap, it).request(), answer)) return fault(soap);
    return "{\"id\":" + quoted(answer.AlrtPkgId ? &answer.AlrtPkgId->__item : nullptr) + ",\"otp\":" + quoted(answer.OTP) +
           ",\"status\":" + quoted(answer.RsStat) + ",\"header\":" + Shown(*answer.MsgRsHdr->jXchangeHdr).json() + "}";
}

} // namespace

int main(int count, char **arguments) {
    if (count != 3) return 2;
    const std::string endpoint = std::string(arguments[1]) + "/jxchange/2008/ServiceGateway/IMS.svc";
    std::string told;
    for (const Case &it : read(arguments[2])) told += (told.empty() ? "" : ",") + quoted(it.name) + ":" + ask(endpoint, it);
    std::cout << "{" << told << "}";
}
