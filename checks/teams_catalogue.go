package checks

import "github.com/plumbline-dev/plumbline"

// workflowCatalogue is what a workflow's trigger answers (learn.microsoft.com: Power Automate, troubleshoot HTTP request
// triggers; Azure Logic Apps, error codes).
var workflowCatalogue = []ruling{
	{status: 400, code: "WorkflowTriggerIsNotEnabled", class: plumbline.ClassMisconfig, cure: "the flow is turned off: turn it on"},
	{status: 404, code: "WorkflowNotFound", class: plumbline.ClassMisconfig, cure: "the flow was deleted: make a new one, and use its URL"},
	{status: 400, code: "TriggerInputSchemaMismatch", class: plumbline.ClassProtocol, tier: plumbline.TierCredential, cure: "the flow's trigger wants another card: start it from the template for webhooks"},
	{status: 401, code: "DirectApiAuthorizationRequired", text: "oauth authorization scheme", class: plumbline.ClassMisconfig, cure: "the flow takes posts of its tenant alone: let anyone with the URL trigger it"},
	{status: 401, code: "DirectApiAuthorizationRequired", class: plumbline.ClassCredential, cure: "the signature in the URL is wrong: copy the URL again"},
	{status: 401, class: plumbline.ClassCredential, cure: "the signature in the URL is wrong: copy the URL again", unconfirmed: true},
	{status: 429, class: plumbline.ClassThrottled, cure: "asked too often: lower the rate of the connection"},
}

// entraCatalogue is what the error codes of the token endpoint mean (learn.microsoft.com: Microsoft Entra authentication
// and authorization error codes).
var entraCatalogue = []ruling{
	{code: "7000215", class: plumbline.ClassCredential, cure: "the client secret is wrong: it wants the value of the secret, not its id"},
	{code: "7000222", class: plumbline.ClassCredential, cure: "the client secret has expired: make a new one in the app registration"},
	{code: "700016", class: plumbline.ClassMisconfig, cure: "the app isn't in this tenant: compare client id and tenant"},
	{code: "90002", class: plumbline.ClassMisconfig, cure: "there is no such tenant: compare it with the directory"},
	{code: "900023", class: plumbline.ClassMisconfig, cure: "the tenant is neither an id nor a domain: compare it with the directory"},
}

// graphCatalogue is what Graph answers (learn.microsoft.com: Microsoft Graph error responses).
var graphCatalogue = []ruling{
	{status: 401, code: "InvalidAuthenticationToken", class: plumbline.ClassCredential, cure: "Graph refuses the token: look at the app registration"},
	{status: 403, code: "Authorization_RequestDenied", class: plumbline.ClassPermission, tier: plumbline.TierCredential, cure: "grant Team.ReadBasic.All to the app registration, with the consent of an administrator"},
	{status: 403, code: "Forbidden", class: plumbline.ClassPermission, tier: plumbline.TierCredential, cure: "grant Team.ReadBasic.All to the app registration, with the consent of an administrator"},
	{status: 404, class: plumbline.ClassMisconfig, tier: plumbline.TierCredential, cure: "there is no such team: compare its id", unconfirmed: true},
	{status: 429, class: plumbline.ClassThrottled, tier: plumbline.TierCredential, cure: "asked too often: lower the rate of the connection"},
	{status: 503, class: plumbline.ClassOutage, cure: "Graph is not well; nothing is wrong with the release"},
}
