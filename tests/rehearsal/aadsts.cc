// SPDX-License-Identifier: Apache-2.0
#include "aadsts.hh"

#include <json/value.h>

#include <algorithm>
#include <iterator>

#include "json.hh"

namespace postbearer::rehearsal {
namespace {

struct Row {
    std::int64_t code;
    unsigned status;
    const char* error;
    const char* text;  // "{}" stands for the subject
};

constexpr Row kRows[] = {
    {28000, 400, "invalid_scope",
     "Provided value for the input parameter scope is not valid because it contains more than one "
     "resource. Scope {} is not valid."},
    {50011, 400, "invalid_request",
     "The redirect URI '{}' specified in the request does not match the redirect URIs configured "
     "for the application."},
    {50013, 401, "invalid_client", "Assertion failed signature validation. [Reason - {}]"},
    {50027, 401, "invalid_client", "JWT token is invalid or malformed: {}."},
    {50034, 400, "invalid_grant", "The user account {} does not exist in the directory."},
    {50057, 400, "invalid_grant", "The user account is disabled."},
    {50058, 400, "login_required", "A silent sign-in request was sent but no user is signed in."},
    {50076, 400, "invalid_grant",
     "Due to a configuration change made by your administrator, or because you moved to a new "
     "location, you must use multi-factor authentication to access '{}'."},
    {50148, 400, "invalid_grant",
     "The code_verifier is missing though the authorization request had a code_challenge."},
    {50173, 400, "invalid_grant",
     "The provided grant has expired due to it being revoked, a fresh auth token is needed."},
    {50194, 400, "invalid_request",
     "Application '{}' is not configured as a multi-tenant application. Usage of the /common "
     "endpoint is not supported for such apps."},
    {50196, 400, "invalid_grant",
     "The server terminated an operation because it encountered a client request loop. Please "
     "contact your app vendor."},
    {53003, 400, "invalid_grant",
     "Access has been blocked by Conditional Access policies. The access policy does not allow "
     "token issuance."},
    {54005, 400, "invalid_grant",
     "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an "
     "existing refresh token."},
    {65001, 400, "invalid_grant",
     "The user or administrator has not consented to use the application with ID '{}'. Send an "
     "interactive authorization request for this user and resource."},
    {65004, 400, "authorization_declined", "User declined to consent to access the app."},
    {70000, 400, "invalid_grant", "Provided grant is invalid or malformed."},
    {70003, 400, "unsupported_grant_type", "The app requested an unsupported grant type '{}'."},
    {70008, 400, "invalid_grant",
     "The provided authorization code or refresh token has expired due to inactivity."},
    {70011, 400, "invalid_scope",
     "The provided request must include a 'scope' input parameter. The provided value for the "
     "input parameter 'scope' is not valid. The scope {} is not valid."},
    {70016, 400, "authorization_pending",
     "OAuth 2.0 device flow error. Authorization is pending. Continue polling."},
    {70018, 400, "bad_verification_code", "Invalid verification code."},
    {70019, 400, "expired_token", "Verification code expired."},
    {70021, 400, "invalid_request",
     "No matching federated identity record found for presented assertion. {}"},
    {70043, 400, "invalid_grant",
     "The refresh token has expired or is invalid due to sign-in frequency checks by conditional "
     "access."},
    {90002, 400, "invalid_request",
     "Tenant '{}' not found. Check to make sure you have the correct tenant ID and are signing "
     "into the correct cloud. Check with your subscription administrator, this may happen if "
     "there are no active subscriptions for the tenant."},
    {90023, 400, "invalid_request", "The request is not properly formatted. {}"},
    {90024, 503, "temporarily_unavailable", "RequestBudgetExceededError: a transient error."},
    {90033, 503, "temporarily_unavailable", "A transient error has occurred. Please try again."},
    {90055, 429, "temporarily_unavailable", "The request was throttled: too many requests."},
    {500011, 400, "invalid_resource",
     "The resource principal named {} was not found in the tenant. This can happen if the "
     "application has not been installed by the administrator of the tenant."},
    {500112, 400, "invalid_grant",
     "The reply address '{}' does not match the reply address provided when requesting "
     "Authorization code."},
    {501481, 400, "invalid_grant",
     "The Code_Verifier does not match the code_challenge supplied in the authorization request."},
    {700016, 400, "unauthorized_client",
     "Application with identifier '{}' was not found in the directory. This can happen if the "
     "application has not been installed by the administrator of the tenant or consented to by "
     "any user in the tenant. You may have sent your authentication request to the wrong tenant."},
    {700021, 401, "invalid_client",
     "Client assertion application identifier doesn't match 'client_id' parameter."},
    {700023, 401, "invalid_client",
     "Client assertion audience claim does not match Realm issuer. The audience is '{}'."},
    {700024, 401, "invalid_client", "Client assertion is not within its valid time range."},
    {700025, 401, "invalid_client",
     "Client is public so neither 'client_assertion' nor 'client_secret' should be presented."},
    {700027, 401, "invalid_client",
     "The certificate with identifier used to sign the client assertion is not registered on "
     "application. [Reason - {}]"},
    {700082, 400, "invalid_grant", "The refresh token has expired due to inactivity."},
    {700211, 401, "invalid_client",
     "No matching federated identity record found for presented assertion issuer '{}'."},
    {700212, 401, "invalid_client",
     "No matching federated identity record found for presented assertion audience '{}'."},
    {700213, 401, "invalid_client",
     "No matching federated identity record found for presented assertion subject '{}'."},
    {900144, 400, "invalid_request",
     "The request body must contain the following parameter: '{}'."},
    {900561, 405, "invalid_request",
     "The endpoint only accepts POST requests. Received a {} request."},
    {1002012, 400, "invalid_scope",
     "The provided value for scope {} is not valid. Client credential flows must have a scope "
     "value with /.default suffixed to the resource identifier (application ID URI)."},
    {7000112, 401, "unauthorized_client", "Application '{}' is disabled."},
    {7000215, 401, "invalid_client",
     "Invalid client secret provided. Ensure the secret being sent in the request is the client "
     "secret value, not the client secret ID, for a secret added to app '{}'."},
    {7000216, 401, "invalid_client",
     "'client_assertion', 'client_secret' or 'request' is required for the "
     "'client_credentials' grant type."},
    {7000218, 401, "invalid_client",
     "The request body must contain the following parameter: 'client_assertion' or "
     "'client_secret'."},
    {7000222, 401, "invalid_client",
     "The provided client secret keys for app '{}' are expired. Visit the Azure portal to create "
     "new keys for your app, or consider using certificate credentials for added security."},
    {7000229, 400, "unauthorized_client",
     "The client application {} is missing service principal in the tenant."},
    {9000411, 400, "invalid_request",
     "The request is not properly formatted. The parameter '{}' is duplicated."},
    {9001023, 400, "invalid_request",
     "The grant type is not supported over the /common or /consumers endpoints. Please use the "
     "/organizations or tenant-specific endpoint."},
};

std::string filled(const char* text, const std::string& subject) {
    std::string out(text);
    const std::size_t at = out.find("{}");
    return at == std::string::npos ? out : out.replace(at, 2, subject);
}

}  // namespace

EntraError entra_error(std::int64_t code, const std::string& subject) {
    const auto* const row = std::find_if(std::begin(kRows), std::end(kRows),
                                         [code](const Row& r) { return r.code == code; });
    if (row == std::end(kRows)) {
        return {code, 400, "invalid_request", "A rehearsed error.", "", ""};
    }
    return {code, row->status, row->error, filled(row->text, subject), "", ""};
}

HttpAnswer entra_error_answer(const EntraError& error, const HttpRequest& request,
                              const std::string& error_uri_base, WallTime now) {
    const std::string trace = guid();
    const std::string asked = request.header("client-request-id");
    const std::string correlation = is_guid(asked) ? asked : guid();
    const std::string number = std::to_string(error.code);
    const std::string stamp = entra_timestamp(now);
    Json::Value json;
    json["error"] = error.error;
    json["error_description"] = "AADSTS" + number + ": " + error.description +
                                " Trace ID: " + trace + " Correlation ID: " + correlation +
                                " Timestamp: " + stamp;
    json["error_codes"].append(static_cast<Json::Int64>(error.code));
    json["timestamp"] = stamp;
    json["trace_id"] = trace;
    json["correlation_id"] = correlation;
    json["error_uri"] = error_uri_base + "/error?code=" + number;
    if (!error.suberror.empty()) {
        json["suberror"] = error.suberror;
    }
    if (!error.claims.empty()) {
        json["claims"] = error.claims;
    }
    return entra_json(error.status, to_text(json), request);
}

HttpAnswer entra_json(unsigned status, std::string body, const HttpRequest& request) {
    HttpAnswer answer;
    answer.status = status;
    answer.body = std::move(body);
    answer.headers = {{"Cache-Control", "no-store, no-cache"},
                      {"Pragma", "no-cache"},
                      {"Content-Type", "application/json; charset=utf-8"},
                      {"Expires", "-1"},
                      {"Strict-Transport-Security", "max-age=31536000; includeSubDomains"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"x-ms-request-id", guid()},
                      {"x-ms-ests-server", "2.1.0 - rehearsal"}};
    if (iequals(request.header("return-client-request-id"), "true")) {
        answer.set_header("client-request-id", request.header("client-request-id"));
    }
    return answer;
}

}  // namespace postbearer::rehearsal
