package daemon

import (
	"strings"

	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/configs"
)

// providerOf makes the account of a provider of what the configuration says of it.
func providerOf(to *checks.Connection, account configs.Provider) {
	switch a := account.(type) {
	case *configs.SlackAccount:
		slackOf(to, a)
	case *configs.Darwinbox:
		darwinboxOf(to, a)
	case *configs.Teams:
		teamsOf(to, a)
	case *configs.SuccessFactors:
		successFactorsOf(to, a)
	case *configs.Workday:
		workdayOf(to, a)
	case *configs.Webhook:
		to.Secret = a.Secret.Reveal
		to.Provider = &checks.Webhook{Address: a.Address.Reveal, Health: a.Health, Signature: a.Signature, Header: a.Header, Prefix: a.Prefix,
			Encoding: a.Encoding, Hash: a.Hash}
	}
}

func darwinboxOf(to *checks.Connection, a *configs.Darwinbox) {
	account := &checks.Darwinbox{APIKey: a.APIKey.Reveal, DatasetKey: a.DatasetKey.Reveal, Employee: a.Employee, Messages: a.Messages}
	if to.Username, to.Secret = a.Username, a.Password.Reveal; !a.Code.IsZero() {
		to.ClientID, to.Secret, to.TokenURL, account.Code = a.ClientID, a.ClientSecret.Reveal, checks.DarwinboxTokenPath, a.Code.Reveal
	}
	to.Provider = account
}

func teamsOf(to *checks.Connection, a *configs.Teams) {
	origin := strings.TrimRight(a.URL, "/")
	teams := &checks.Teams{Graph: origin, Tenant: a.Tenant, Team: a.Team, Origin: origin}
	if to.Secret = a.ClientSecret.Reveal; !a.Workflow.IsZero() {
		to.Secret, teams.Workflow = a.Workflow.Reveal, a.Workflow.Reveal
	} else {
		to.ClientID, to.TokenURL, to.Scopes = a.ClientID, a.TokenURL(), []string{"https://graph.microsoft.com/.default"}
	}
	to.Provider = teams
}

func slackOf(to *checks.Connection, a *configs.SlackAccount) {
	slack := &checks.Slack{Team: a.Team, Status: a.Status}
	if to.Secret = a.Token.Reveal; !a.Webhook.IsZero() {
		to.Secret, slack.Webhook = a.Webhook.Reveal, a.Webhook.Reveal
	}
	to.Provider = slack
}

func successFactorsOf(to *checks.Connection, a *configs.SuccessFactors) {
	to.Secret, to.TokenURL = a.Key.Reveal, checks.SuccessFactorsToken
	if !a.Password.IsZero() {
		to.Secret = a.Password.Reveal
	}
	to.Provider = &checks.SuccessFactors{Company: a.Company, User: a.User, ClientID: a.ClientID, Issuer: a.Issuer, Recipient: a.Recipient,
		UseUsername: a.UseUsername, ExternalUser: a.ExternalUser, Certificate: a.Registered, Basic: !a.Password.IsZero()}
}

func workdayOf(to *checks.Connection, a *configs.Workday) {
	workday := &checks.Workday{Tenant: a.Tenant, Version: a.Version, User: a.User}
	if !a.Password.IsZero() {
		workday.Password = a.Password.Reveal
	}
	to.TokenURL = "/ccx/oauth2/" + a.Tenant + "/token"
	to.ClientID, to.Secret, to.ClientAuth = a.ClientID, a.ClientSecret.Reveal, a.ClientAuth
	switch to.Grant = a.Grant(); to.Grant {
	case configs.GrantRefreshToken:
		to.Refresh = &checks.RefreshGrant{File: a.RefreshToken.File(), Value: a.RefreshToken.Reveal}
	case configs.GrantJWTBearer:
		to.Assertion = &checks.Assertion{Key: a.Key.Reveal, KeyID: a.KeyID, Issuer: a.ClientID, Subject: a.Subject, Audience: a.Audience}
	}
	to.Provider = workday
}
