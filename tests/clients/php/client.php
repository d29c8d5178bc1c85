<?php
// A publisher as a PHP shop would build one: SoapClient reads the WSDL of a running server and calls its operations.
//
// Prints one JSON object: by the name of each case, what the caller got of it.
//
// Usage: client.php BASE CASES

declare(strict_types=1);

const USER = 'demo';
const PASSWORD = 'demo';
const WSSE = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd';
const WSU = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd';
const PASSWORD_TEXT = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText';

[, $base, $path] = $argv;
$told = [];
foreach (json_decode(file_get_contents($path), true, 64, JSON_THROW_ON_ERROR) as $case) {
    if (in_array('php', $case['only'] ?? ['php'], true)) {
        $told[$case['name']] = ask("$base/jxchange/2008/ServiceGateway/IMS.svc?wsdl", $case);
    }
}
echo json_encode($told, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);

function ask(string $wsdl, array $case): array
{
    try {
        $answer = client($wsdl, $case)->__soapCall($case['call'], [$case['request']]);
    } catch (SoapFault $fault) {
        return ['raised' => get_class($fault), 'fault' => shown($fault)];
    }
    if ($case['call'] === 'Ping') {
        return ['pinged' => $answer->PingRs];
    }
    return [
        'id' => text($answer->AlrtPkgId),
        'otp' => $answer->OTP ?? null,
        'status' => $answer->RsStat,
        'header' => header_of($answer->MsgRsHdr->jXchangeHdr),
    ];
}

function client(string $wsdl, array $case): SoapClient
{
    $options = [
        'exceptions' => true,
        'cache_wsdl' => WSDL_CACHE_NONE,
        'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
        'soap_version' => ($case['soap'] ?? '1.1') === '1.2' ? SOAP_1_2 : SOAP_1_1,
    ];
    $password = str_starts_with($case['as'], 'wrong') ? PASSWORD . 'x' : PASSWORD;
    if (str_ends_with($case['as'], 'basic')) {
        $options += ['login' => USER, 'password' => $password];
    }
    $client = new SoapClient($wsdl, $options);
    if (str_contains($case['as'], 'token')) {
        $client->__setSoapHeaders(security($password, str_contains($case['as'], 'timestamp')));
    }
    return $client;
}

/** The security header: SoapClient has none of its own, so publishers write it as text. */
function security(string $password, bool $timestamp): SoapHeader
{
    $created = gmdate('Y-m-d\TH:i:s\Z');
    $first = $timestamp ? "<wsu:Timestamp><wsu:Created>$created</wsu:Created></wsu:Timestamp>" : '';
    $token = '<wsse:UsernameToken><wsse:Username>' . USER . '</wsse:Username>'
        . '<wsse:Password Type="' . PASSWORD_TEXT . "\">$password</wsse:Password></wsse:UsernameToken>";
    $block = '<wsse:Security xmlns:wsse="' . WSSE . '" xmlns:wsu="' . WSU . "\">$first$token</wsse:Security>";
    return new SoapHeader(WSSE, 'Security', new SoapVar($block, XSD_ANYXML), true);
}

/** A fault as PHP throws it. PHP reads a detail without the WSDL's types: one rule is an object, several are a list. */
function shown(SoapFault $fault): array
{
    $detail = $fault->detail->HdrFault ?? null;
    $rules = $detail->FaultRecInfoArray->FaultMsgRec ?? [];
    return [
        'code' => $fault->faultcode,
        'message' => $fault->faultstring,
        'header' => $detail === null ? null : header_of($detail->FaultHdr),
        'rules' => array_map(fn ($it) => [
            'code' => $it->ErrCode,
            'category' => $it->ErrCat,
            'description' => $it->ErrDesc,
            'element' => $it->ErrElem ?? null,
            'value' => $it->ErrElemVal ?? null,
        ], is_array($rules) ? $rules : [$rules]),
    ];
}

/** Every element of the header that is there, without the markers. */
function header_of(object $read): array
{
    $elements = array_filter(get_object_vars($read), fn ($name) => !str_starts_with($name, 'Ver_'), ARRAY_FILTER_USE_KEY);
    return array_map('text', $elements);
}

/** The text of an element, also of one whose type has attributes. */
function text(mixed $read): mixed
{
    return is_object($read) ? $read->_ : $read;
}
