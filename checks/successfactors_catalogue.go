package checks

import (
	"time"

	"github.com/plumbline-dev/plumbline"
)

const sapNotWell = "SuccessFactors is not well; nothing is wrong with the release"

// successFactorsCatalogue is what OData answers mean. The codes LGN are SAP's (KBA 2524436: the re-defined error codes),
// with the status 401 or 403 by data centre, so that none is asked for.
var successFactorsCatalogue = []ruling{
	{code: "LGN0001", class: plumbline.ClassMisconfig, cure: "no such endpoint: the host is not the tenant's API server, or the API isn't served there"},
	{code: "LGN0002", class: plumbline.ClassPermission, tier: plumbline.TierCredential, cure: "the user lacks Admin access to OData API: grant it in Manage Permission Roles"},
	{code: "LGN0003", class: plumbline.ClassCredential, cure: "no credential came through that SAP takes: log in with key and client_id"},
	{code: "LGN0004", class: plumbline.ClassMisconfig, cure: "the host is no API server: name the tenant's own, such as api10.successfactors.com"},
	{code: "LGN0005", class: plumbline.ClassCredential, cure: "the token is none: look at client_id and key"},
	{code: "LGN0006", class: plumbline.ClassCredential, cure: "the token has ended: compare the clock of this machine with the world's"},
	{code: "LGN0007", class: plumbline.ClassCredential, cure: "the token is not valid: look at client_id and key"},
	{code: "LGN0008", class: plumbline.ClassMisconfig, cure: "no such company: its id is case-sensitive, and at home on one API server"},
	{code: "LGN0009", class: plumbline.ClassMisconfig, cure: "OData isn't enabled for the company: ask SAP to"},
	{code: "LGN0010", class: plumbline.ClassMisconfig, cure: "Basic is disabled for the company, or the address that this color asks from is not among those it allows: look at the egress, or log in with key and client_id"},
	{code: "LGN0015", class: plumbline.ClassCredential, cure: "wrong user or password (KBA 3350811): reset it in SuccessFactors, or log in with key and client_id"},
	// KBA 2872019; a new token was asked for already.
	{code: "LGN0022", class: plumbline.ClassCredential, cure: "a new token was refused as well: look at the OAuth2 client application, whether it is enabled and bound to the user"},
	// KBA 2545055, and the developer guide of OData V2.
	{code: "COE_ENTITY_NOT_FOUND", class: plumbline.ClassMisconfig, tier: plumbline.TierCredential, cure: "the company has no such entity: look at the spelling, or refresh the OData metadata in the Admin Center"},
	{code: "COE0021", class: plumbline.ClassMisconfig, tier: plumbline.TierCredential, cure: "the entity lacks a property that is asked for: refresh the OData metadata in the Admin Center"},
	{code: "COE_PROPERTY_NOT_FOUND", class: plumbline.ClassMisconfig, tier: plumbline.TierCredential, cure: "the entity lacks a property that is asked for: refresh the OData metadata in the Admin Center"},
	// KBA 3728375, KBA 2676936, KBA 2485637.
	{code: "COE0020", class: plumbline.ClassPermission, tier: plumbline.TierCredential, cure: "the user's roles don't reach the entity: grant it in Manage Permission Roles"},
	{code: "COE_GENERAL_FORBIDDEN", class: plumbline.ClassPermission, tier: plumbline.TierCredential, cure: "the user's roles don't reach the entity: grant it in Manage Permission Roles"},
	{code: "COE00020", class: plumbline.ClassPermission, tier: plumbline.TierCredential, cure: "the user's roles don't reach the entity: grant it in Manage Permission Roles"},
	{code: "COE_GENERAL_BAD_REQUEST", text: "do not have permission", class: plumbline.ClassPermission, tier: plumbline.TierCredential, cure: "the user's roles don't reach the entity: grant it in Manage Permission Roles"},
}

// successFactorsPlain is what answers without a code mean.
var successFactorsPlain = []ruling{
	// KBA 3159263 recommends 300 seconds.
	{status: 429, class: plumbline.ClassThrottled, wait: 300 * time.Second, cure: "asked too often: raise max_age or lower the rate of the connection; SAP advises against asking more than once an hour"},
	// KBA 2545055.
	{status: 503, text: "maintenance", class: plumbline.ClassMaintenance, cure: "wait until it is over; nothing is wrong with the release"},
	{status: 500, text: "metadata is being generated", class: plumbline.ClassOutage, cure: "SuccessFactors is busy with itself, ask again; nothing is wrong with the release"},
	{status: 502, class: plumbline.ClassOutage, cure: sapNotWell},
	{status: 503, class: plumbline.ClassOutage, cure: sapNotWell},
	{status: 504, class: plumbline.ClassOutage, cure: sapNotWell},
}

// successFactorsLogin is what the token endpoint says in words alone, and what answers without a code mean anywhere.
var successFactorsLogin = append([]ruling{
	// KBA 3336571.
	{text: "unable to verify the signature of the saml assertion", class: plumbline.ClassCredential, cure: "the key is not that of the certificate which SAP has of this client_id: register the certificate of this color's key with the OAuth2 client application"},
	// KBA 2668018.
	{text: "login failed - invalid user", class: plumbline.ClassCredential, cure: "user must be the id of an active user: write use_username: true if it is a username"},
	// Integrators tell of these alone; no document of SAP has them.
	{text: "api_key doesn't match", class: plumbline.ClassMisconfig, cure: "this SAP wants the client_id as issuer of the assertion: set issuer", unconfirmed: true},
	{text: "recipient attribute value must be set", class: plumbline.ClassMisconfig, cure: "this SAP wants another recipient of the assertion: set recipient to the URL of the token endpoint as SAP knows it", unconfirmed: true},
	{text: "api key does not exist", class: plumbline.ClassCredential, cure: "the company has no OAuth2 client application with this client_id: register one, or correct company", unconfirmed: true},
	{text: "audience", class: plumbline.ClassMisconfig, cure: "this SAP wants an assertion of another audience: is the host one of SuccessFactors?", unconfirmed: true},
	{text: "expired", class: plumbline.ClassCredential, cure: "the assertion was too old when it came: compare the clock of this machine with the world's", unconfirmed: true},
	{text: "not yet valid", class: plumbline.ClassCredential, cure: "the assertion is of the future: compare the clock of this machine with the world's", unconfirmed: true},
	{status: 500, class: plumbline.ClassOutage, cure: "if it stays so, SAP can't read the login: look at company, issuer and recipient", unconfirmed: true},
}, successFactorsPlain...)
