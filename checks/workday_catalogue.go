package checks

import "github.com/plumbline-dev/plumbline"

// workdayHidden is what 200 without a row means: Workday leaves out what the security of its user hides.
const workdayHidden = "its security hides every row: in Workday, see that the user's security group is in the policy of the domain, and run Activate Pending Security Policy Changes; nothing is wrong with the release"

const (
	workdayActivate = "add it in Workday, and run Activate Pending Security Policy Changes; nothing is wrong with the release"
	workdayDown     = "Workday is not well; nothing is wrong with the release"
	workdayWindow   = "Workday is in maintenance: wait until it is over; nothing is wrong with the release"
	workdayRate     = "asked too often: lower the rate of the connection"
	workdayLogin    = "look at client_id and client_secret of the connection, and whether API client {client} is disabled in Workday"
)

// workdayLogins are what the token endpoint's refusals mean, by grant. The codes are those of RFC 6749, section 5.2; what
// Workday makes of them is not published.
var workdayLogins = map[string][]ruling{
	RefreshToken: append([]ruling{
		{code: "invalid_grant", class: plumbline.ClassCredential, unconfirmed: true,
			cure: "the refresh token was revoked, replaced or has expired: make a new one for API client {client} (Manage Refresh Tokens for Integrations); nothing is wrong with the release"},
	}, workdayEveryLogin...),
	JWTBearer: append([]ruling{
		{code: "invalid_grant", class: plumbline.ClassCredential, unconfirmed: true,
			cure: "the assertion isn't accepted: see that API client {client} has this key's certificate, that user {user} exists there, and that the clock here is right"},
	}, workdayEveryLogin...),
}

var workdayEveryLogin = []ruling{
	{code: "invalid_client", class: plumbline.ClassCredential, cure: workdayLogin, unconfirmed: true},
	{code: "unauthorized_client", class: plumbline.ClassMisconfig, cure: "API client {client} is registered for another grant", unconfirmed: true},
	{code: "unsupported_grant_type", class: plumbline.ClassMisconfig, cure: "register API client {client} for this grant", unconfirmed: true},
	{code: "invalid_scope", class: plumbline.ClassPermission, cure: "API client {client} lacks a scope: " + workdayActivate, unconfirmed: true},
	{status: 401, class: plumbline.ClassCredential, cure: workdayLogin, unconfirmed: true},
	{status: 404, class: plumbline.ClassMisconfig, cure: "there is no tenant {tenant} at this host: compare both with the token endpoint that View API Clients shows", unconfirmed: true},
	{status: 429, class: plumbline.ClassThrottled, cure: workdayRate, unconfirmed: true},
	{status: 500, class: plumbline.ClassOutage, cure: workdayDown, unconfirmed: true},
	{status: 502, class: plumbline.ClassOutage, cure: workdayDown, unconfirmed: true},
	{status: 503, class: plumbline.ClassOutage, cure: workdayDown, unconfirmed: true},
	{status: 504, class: plumbline.ClassOutage, cure: workdayDown, unconfirmed: true},
}

// workdayCatalogue is what REST and reports answer (integrations of third parties; the vendor's list is for customers).
var workdayCatalogue = []ruling{
	{status: 401, class: plumbline.ClassCredential, unconfirmed: true,
		cure: "Workday doesn't know who asks: look at the connection's secrets, and whether the account in Workday is locked or disabled"},
	{status: 403, class: plumbline.ClassPermission, tier: plumbline.TierCredential, unconfirmed: true,
		cure: "API client {client} lacks the scope (functional area), or the security group of its user the domain: " + workdayActivate},
	{status: 404, class: plumbline.ClassMisconfig, unconfirmed: true,
		cure: "compare host, tenant {tenant} and name with Workday; what security hides is not found either"},
	{status: 429, class: plumbline.ClassThrottled, cure: workdayRate, unconfirmed: true},
	{status: 500, class: plumbline.ClassOutage, cure: workdayDown, unconfirmed: true},
	{status: 502, class: plumbline.ClassOutage, cure: workdayDown, unconfirmed: true},
	{status: 503, class: plumbline.ClassOutage, cure: workdayDown, unconfirmed: true},
	{status: 504, class: plumbline.ClassOutage, cure: workdayDown, unconfirmed: true},
}

// workdayFaults is what faults of SOAP mean, by their code without its prefix and by their text. They come with HTTP 500,
// whoever is to blame.
var workdayFaults = []ruling{
	// The text of a wrong password, an expired one and of a user that doesn't exist (public integrations).
	{code: "Client.authenticationError", class: plumbline.ClassCredential, unconfirmed: true,
		cure: "user {user} or its password is not accepted: compare both with Workday, and see that the account isn't locked, its password not expired and its authentication policy lets passwords in"},
	{text: "invalid username or password", class: plumbline.ClassCredential, unconfirmed: true,
		cure: "user {user} or its password is not accepted: compare both with Workday, and see that the account isn't locked"},
	// The user is known, or Workday wouldn't have looked at what it may do (public integrations).
	{text: "the task submitted is not authorized", class: plumbline.ClassPermission, tier: plumbline.TierCredential, unconfirmed: true,
		cure: "the password is good, but the security group of {user} lacks the domain of this operation: " + workdayActivate},
	{code: "Client.validationError", text: "web service or version is invalid", class: plumbline.ClassMisconfig, unconfirmed: true,
		cure: "set version of the connection to one that the tenant has, instead of {version}"},
	{code: "Client.validationError", class: plumbline.ClassProtocol, unconfirmed: true,
		cure: "Workday {version} takes another request: set version of the connection"},
	{text: "maintenance", class: plumbline.ClassMaintenance, cure: workdayWindow, unconfirmed: true},
	{code: "Server.processingError", class: plumbline.ClassOutage, cure: workdayDown, unconfirmed: true},
	{code: "Server", class: plumbline.ClassOutage, cure: workdayDown, unconfirmed: true},
}

// workdayPages are where Workday sends whoever asks while it is away, and what stands there (seen by public integrations).
var workdayPages = []ruling{
	{text: "community.workday.com/maintenance-page", class: plumbline.ClassMaintenance, cure: workdayWindow, unconfirmed: true},
	{text: "workday is currently unavailable", class: plumbline.ClassMaintenance, cure: workdayWindow, unconfirmed: true},
	{text: "/wday/drs/outage", class: plumbline.ClassOutage, cure: workdayDown, unconfirmed: true},
}
