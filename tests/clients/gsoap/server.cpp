// The reference server of the benchmark: our WSDL served by gSOAP in C++, without persistence.
//
// Usage: server PORT
// Listens on 127.0.0.1, and says `listening PORT` when it does (0: a free port). A thread for each connection, as gSOAP is
// commonly run with keep-alive; a connection lasts as long as the caller wants. It takes the envelopes that Countersign takes
// at the same path, with Basic or a UsernameToken, checks a few rules, and answers with an id and, where one is due, a code.
// It sends nothing and keeps nothing.
#include "IMSServiceSoapBinding.nsmap"
#include "soapIMSServiceSoapBindingService.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

const char *const PATH = "/jxchange/2008/ServiceGateway/IMS.svc";

std::mt19937_64 &chance() {
    thread_local std::mt19937_64 source{std::random_device{}()};
    return source;
}

std::string uuid() {
    const auto high = chance()(), low = chance()();
    char made[37];
    std::snprintf(made, sizeof made, "%08x-%04x-4%03x-%04x-%012llx", unsigned(high >> 32), unsigned(high >> 16) & 0xffff,
                  unsigned(high) & 0xfff, (unsigned(low >> 48) & 0x3fff) | 0x8000,
                  static_cast<unsigned long long>(low & 0xffffffffffffULL));
    return made;
}

class Server : public IMSServiceSoapBindingService {
  public:
    explicit Server(struct soap *soap) : IMSServiceSoapBindingService(soap) {}

    IMSServiceSoapBindingService *copy() override { return new Server(soap_copy(soap)); }

    // One connection, to its end. Memory is given back after every message; the generated loop waits for the last.
    void converse() {
        soap->keep_alive = 1;
        do {
            if (soap_begin_serve(soap)) {
                if (soap->error >= SOAP_STOP) continue;
                break;
            }
            if (std::strncmp(soap->path, PATH, std::strlen(PATH)) != 0) soap->error = 404;
            if (soap->error || dispatch()) soap_send_fault(soap);
            soap_destroy(soap);
            soap_end(soap);
        } while (soap->keep_alive);
    }

    int OOBValidate(tpg__OOBValidateRq_USCOREMType *request, tpg__OOBValidateRs_USCOREMType &answer) override {
        const bool known = is_known();
        soap->header = nullptr;
        if (!known) return soap_senderfault("Access is denied.", nullptr);
        const std::vector<const char *> broken = check(*request);
        if (!broken.empty()) return refuse(*request, broken);
        answer.MsgRsHdr = soap_new_tpg__MsgRsHdr_USCORECType(soap);
        answer.MsgRsHdr->jXchangeHdr = echo(request->MsgRqHdr->jXchangeHdr);
        answer.AlrtPkgId = soap_new_tpg__Leaf_USCOREType(soap);
        answer.AlrtPkgId->__item = uuid();
        if (draws(*request)) answer.OTP = text(std::to_string(100000 + chance()() % 900000));
        answer.RsStat = text("Success");
        return SOAP_OK;
    }

    int OOBValidateRq(tpg__OOBValidateRq_USCOREMType *request, tpg__OOBValidateRs_USCOREMType &answer) override {
        return OOBValidate(request, answer);
    }

    int Ping(tpg__PingRq_USCOREMType *request, tpg__PingRs_USCOREMType &answer) override {
        soap->header = nullptr;
        answer.PingRs = request->PingRq;
        return SOAP_OK;
    }

  private:
    std::string *text(const std::string &it) {
        std::string *made = soap_new_std__string(soap);
        *made = it;
        return made;
    }

    // Somebody with a password, whichever it is.
    bool is_known() const {
        const auto *security = soap->header ? soap->header->wsse__Security : nullptr;
        const auto *token = security ? security->UsernameToken : nullptr;
        if (token && token->Username && token->Password && token->Password->__item) return true;
        return soap->userid && soap->passwd && *soap->userid && *soap->passwd;
    }

    static std::vector<const char *> check(const tpg__OOBValidateRq_USCOREMType &request) {
        std::vector<const char *> broken;
        const auto *header = request.MsgRqHdr ? request.MsgRqHdr->jXchangeHdr : nullptr;
        if (!header) broken.push_back("2001");
        if (header && header->AuditUsrId.empty()) broken.push_back("2021");
        if (header && header->AuditWsId.empty()) broken.push_back("2002");
        if (!request.AlrtName && !request.PhoneNum) broken.push_back("3154");
        if (request.AlrtName && !request.OOBRecipInfoRec) broken.push_back("39002");
        if (request.PhoneNum && digits(request.PhoneNum->__item) < 10) broken.push_back("3147");
        if (request.OOBModeType && *request.OOBModeType != "TwoWay" && *request.OOBModeType != "OneWay") broken.push_back("2005");
        if (request.OOBExpSec && (*request.OOBExpSec < 15 || *request.OOBExpSec > 3600)) broken.push_back("3160");
        return broken;
    }

    static int digits(const std::string &text) {
        int count = 0;
        for (const char letter : text) count += letter >= '0' && letter <= '9';
        return count;
    }

    // Whether a code is ours to draw: a tag in the text, a text of ours, or an alert without a value of the publisher's.
    static bool draws(const tpg__OOBValidateRq_USCOREMType &request) {
        if (request.SMSText) return request.SMSText->find("<%$otp") != std::string::npos;
        return request.PhoneNum || !request.VerifVal;
    }

    // The header as it came, with what an answer always has.
    tpg__jXchangeHdr_USCORECType *echo(tpg__jXchangeHdr_USCORECType *header) {
        if (!header->JxVer) header->JxVer = text("2024.1.03");
        auto *&level = header->__jXchangeHdr_USCORECType_sequence;
        if (!level) level = soap_new___tpg__jXchangeHdr_USCORECType_sequence(soap);
        if (!level->jXLogTrackingId) level->jXLogTrackingId = text(uuid());
        return header;
    }

    int refuse(const tpg__OOBValidateRq_USCOREMType &request, const std::vector<const char *> &broken) {
        auto *fault = soap_new_tpg__HdrFault_USCOREMType(soap);
        fault->FaultHdr = request.MsgRqHdr ? request.MsgRqHdr->jXchangeHdr : nullptr;
        fault->FaultRecInfoArray = soap_new_tpg__FaultRecInfoArray_USCOREAType(soap);
        std::string codes;
        for (const char *code : broken) {
            auto *record = soap_new_tpg__MsgRec_USCORECType(soap);
            record->ErrCode = code;
            record->ErrCat = "Error";
            record->ErrDesc = "The rule is broken.";
            fault->FaultRecInfoArray->FaultMsgRec.push_back(record);
            codes += (codes.empty() ? "" : ", ") + std::string(code);
        }
        soap_sender_fault(soap, soap_strdup(soap, codes.c_str()), nullptr);
        SOAP_ENV__Detail *detail = soap_new_SOAP_ENV__Detail(soap);
        detail->tpg__HdrFault = fault;
        (soap->version == 2 ? soap->fault->SOAP_ENV__Detail : soap->fault->detail) = detail;
        return soap->error;
    }
};

} // namespace

int main(int count, char **arguments) {
    if (count != 2) return std::fputs("usage: server PORT\n", stderr), 2;
    // An answer is stored and sent with its length: otherwise gSOAP writes it twice, the first time only to count.
    struct soap *master = soap_new2(SOAP_IO_KEEPALIVE | SOAP_C_UTFSTRING, SOAP_IO_KEEPALIVE | SOAP_IO_STORE | SOAP_C_UTFSTRING);
    master->bind_flags = SO_REUSEADDR;
    master->accept_flags = 0;
    master->tcp_keep_alive = 0;
    if (!soap_valid_socket(soap_bind(master, "127.0.0.1", std::atoi(arguments[1]), 1024))) {
        soap_print_fault(master, stderr);
        return 1;
    }
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    getsockname(master->master, reinterpret_cast<struct sockaddr *>(&address), &length);
    std::printf("listening %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    while (soap_valid_socket(soap_accept(master))) {
        struct soap *copy = soap_copy(master);
        std::thread([copy] {
            Server(copy).converse();
            soap_destroy(copy);
            soap_end(copy);
            soap_free(copy);
        }).detach();
    }
    soap_print_fault(master, stderr);
    return 1;
}
