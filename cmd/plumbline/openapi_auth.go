package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// connection makes a connection of the first security scheme that plumbline knows an answer to.
func (im *importer) connection() {
	if im.document.Components == nil {
		return
	}
	schemes := im.document.Components.SecuritySchemes
	var wanted []string
	for _, requirement := range im.document.Security {
		wanted = append(wanted, slices.Sorted(maps.Keys(requirement))...)
	}
	for _, name := range append(wanted, slices.Sorted(maps.Keys(schemes))...) {
		if schemes[name] == nil || schemes[name].Value == nil {
			continue
		}
		account := im.account(schemes[name].Value)
		if account == "" {
			continue
		}
		im.auth = im.service + "-api"
		im.connections = fmt.Sprintf("\nconnections:\n  %s: %s\n", im.auth, account)
		im.notes = append(im.notes, fmt.Sprintf("the connection %s gets its secret from the environment: see connections", im.auth))
		return
	}
}

// account is the connection of a scheme, as YAML; "" if there is none.
func (im *importer) account(s *openapi3.SecurityScheme) string {
	secret := func(what string) string {
		return "{env: " + strings.ToUpper(strings.ReplaceAll(im.service, "-", "_")) + "_" + what + "}"
	}
	switch {
	case s.Type == "http" && strings.EqualFold(s.Scheme, "bearer"):
		return "{kind: bearer, token: " + secret("TOKEN") + "}"
	case s.Type == "http" && strings.EqualFold(s.Scheme, "basic"):
		return "{kind: basic, username: plumbline, password: " + secret("PASSWORD") + "}"
	case s.Type == "apiKey" && s.In == "header" && http.CanonicalHeaderKey(s.Name) != "Authorization":
		return "{kind: header, name: " + yamlText(s.Name) + ", value: " + secret("KEY") + "}"
	case s.Type == "oauth2" && s.Flows != nil && s.Flows.ClientCredentials != nil:
		return "{kind: oauth2, token_url: " + yamlText(tokenURL(s.Flows.ClientCredentials.TokenURL)) + ", client_id: plumbline, client_secret: " + secret("CLIENT_SECRET") + "}"
	}
	return ""
}

// tokenURL is absolute, or a path of the environment.
func tokenURL(text string) string {
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		return text
	}
	return "/" + strings.TrimLeft(text, "/")
}
