package sandbox

//lint:file-ignore ST1005 The words are those of SAP.

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	plumbline "github.com/plumbline-dev/plumbline"
	dsig "github.com/russellhaering/goxmldsig"
)

// What the token endpoint says. The first two are SAP's words (KBA 3336571, KBA 2668018), the third to fifth are as
// integrators tell them, and of the others nobody does.
const (
	sapSaysSignature = "Unable to verify the signature of the SAML assertion. Please ensure that the assertion has a signature and the key pairs match the client ID"
	sapSaysUser      = "Unable to authenticate the client (Login failed - invalid user)"
	sapSaysKey       = "Unable to verify the SAML assertion — api_key doesn't match client_id"
	sapSaysRecipient = "The recipient attribute value must be set as the URL of the API server"
	sapSaysClient    = "API key does not exist in company "
	sapSaysAudience  = "Unable to verify the SAML assertion - the audience is invalid"
	sapSaysExpired   = "Unable to verify the SAML assertion - it has expired"
	sapSaysEarly     = "Unable to verify the SAML assertion - it is not yet valid"
	sapSaysGrant     = "The grant type is not supported"
)

const samlNamespace = "urn:oasis:names:tc:SAML:2.0:assertion"

// login gives a token for an assertion: the same one until it ends, unless a new one is asked for.
func (s *successFactorsSim) login(w http.ResponseWriter, r *http.Request) {
	id := r.PostFormValue("client_id")
	color := s.find(func(c *sapClient) bool { return id != "" && same(c.account.ClientID, id) == 1 })
	if s.amiss(w, color) {
		return
	}
	deny := func(status int, message string) {
		writeJSON(w, status, map[string]string{"errorHttpCode": strconv.Itoa(status), "errorMessage": message})
	}
	refuse := func(message string) { deny(http.StatusUnauthorized, message) }
	company, fault := r.PostFormValue("company_id"), s.broken.of(color)
	switch {
	case r.PostFormValue("grant_type") != "urn:ietf:params:oauth:grant-type:saml2-bearer":
		deny(http.StatusBadRequest, sapSaysGrant)
	case company != sapCompany, fault == "LGN0008":
		sapErrors["LGN0008"].write(w, r, company)
	case color == "", fault == sapNoClient:
		refuse(sapSaysClient + company)
	default:
		if err := s.verify(r, color, fault); err != nil {
			refuse(err.Error())
			return
		}
		token := s.issue(color, r.PostFormValue("new_token") == "true")
		if token.value == "" {
			deny(http.StatusInternalServerError, "no randomness")
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"access_token": token.value, "token_type": "Bearer", "expires_in": int(token.ends.Sub(s.clock()) / time.Second)})
	}
}

// issue is the client's token, or a new one.
func (s *successFactorsSim) issue(color plumbline.Color, anew bool) sapToken {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, client := s.clock(), s.clients[color]
	if client.current != nil && !anew && now.Before(client.current.ends) {
		return *client.current
	}
	for value, token := range s.tokens {
		if !now.Before(token.ends) {
			delete(s.tokens, value)
		}
	}
	if len(s.tokens) >= sapMaxTokens {
		clear(s.tokens)
	}
	token := &sapToken{value: secretOf(s.random), color: color, ends: now.Add(sapTokenLife)}
	if token.value == "" {
		return sapToken{}
	}
	client.current, s.tokens[token.value] = token, token
	return *token
}

// verify holds an assertion against what is registered of its client. Nothing counts that the signature doesn't cover.
func (s *successFactorsSim) verify(r *http.Request, color plumbline.Color, fault string) error {
	s.mu.Lock()
	client := *s.clients[color]
	s.mu.Unlock()
	if fault == sapSignature {
		client.certificate = nil
	}
	covered, err := s.covered(r.PostFormValue("assertion"), client)
	if err != nil {
		return errors.New(sapSaysSignature) // which of its many reasons it was is told to nobody
	}
	var said saml.Assertion
	if xml.Unmarshal(covered, &said) != nil || said.Subject == nil || said.Subject.NameID == nil || said.Conditions == nil {
		return errors.New(sapSaysSignature)
	}
	now := s.clock()
	attributes := attributesOf(said)
	switch {
	case attributes["api_key"] != client.account.ClientID:
		return errors.New(sapSaysKey)
	case now.Before(said.Conditions.NotBefore):
		return errors.New(sapSaysEarly)
	case !now.Before(said.Conditions.NotOnOrAfter):
		return errors.New(sapSaysExpired)
	case !slices.ContainsFunc(said.Conditions.AudienceRestrictions, func(a saml.AudienceRestriction) bool { return a.Audience.Value == "www.successfactors.com" }):
		return errors.New(sapSaysAudience)
	}
	if err := confirmed(said, r, now); err != nil {
		return err
	}
	if attributes["use_username"] == "true" || said.Subject.NameID.Value != client.account.User || fault == sapInvalidUser {
		return errors.New(sapSaysUser)
	}
	return nil
}

// confirmed wants a bearer whose recipient is this server, in time.
func confirmed(said saml.Assertion, r *http.Request, now time.Time) error {
	for _, c := range said.Subject.SubjectConfirmations {
		switch data := c.SubjectConfirmationData; {
		case c.Method != "urn:oasis:names:tc:SAML:2.0:cm:bearer" || data == nil || !slices.Contains(serverURLs(r), data.Recipient):
		case !now.Before(data.NotOnOrAfter):
			return errors.New(sapSaysExpired)
		default:
			return nil
		}
	}
	return errors.New(sapSaysRecipient)
}

func attributesOf(said saml.Assertion) map[string]string {
	all := map[string]string{}
	for _, statement := range said.AttributeStatements {
		for _, a := range statement.Attributes {
			if len(a.Values) == 1 {
				all[a.Name] = strings.TrimSpace(a.Values[0].Value)
			}
		}
	}
	return all
}

// covered is what the signature of an assertion covers, if the client's key made it, as XML.
func (s *successFactorsSim) covered(assertion string, client sapClient) ([]byte, error) {
	text, err := base64.StdEncoding.DecodeString(assertion)
	if err != nil {
		return nil, err
	}
	document := etree.NewDocument()
	if err := document.ReadFromBytes(text); err != nil {
		return nil, err
	}
	root := document.Root()
	if client.certificate == nil || root == nil {
		return nil, errors.New("nothing to verify, or to verify with")
	}
	if err := wrapped(document, root); err != nil {
		return nil, err
	}
	signature := root.SelectElement("Signature")
	for _, info := range signature.SelectElements("KeyInfo") {
		signature.RemoveChild(info) // whose key it says it is: ours is the one that is registered
	}
	context := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{client.certificate}})
	context.Clock = dsig.NewFakeClockAt(s.clock())
	covered, err := context.Validate(root)
	if err != nil {
		return nil, err
	}
	verified := etree.NewDocument()
	verified.SetRoot(covered)
	return verified.WriteToBytes()
}

// wrapped refuses an assertion whose signature is about something else than its root, or isn't where it belongs.
func wrapped(document *etree.Document, root *etree.Element) error {
	id := root.SelectAttrValue("ID", "")
	signatures, references := document.FindElements("//Signature"), document.FindElements("//Reference")
	switch {
	case root.Tag != "Assertion" || root.NamespaceURI() != samlNamespace || id == "":
		return errors.New("no assertion")
	case len(signatures) != 1 || signatures[0].Parent() != root || signatures[0].NamespaceURI() != dsig.Namespace:
		return errors.New("not one signature right beneath the assertion")
	case len(references) != 1 || references[0].SelectAttrValue("URI", "") != "#"+id:
		return errors.New("not one reference to the assertion")
	case len(document.FindElements("//[@ID='"+id+"']")) != 1:
		return errors.New("several elements have one ID")
	case len(document.FindElements("//Transform")) != 2:
		return errors.New("other transforms than enveloping and canonicalization")
	}
	for _, method := range document.FindElements("//SignatureMethod") {
		if method.SelectAttrValue("Algorithm", "") != dsig.RSASHA256SignatureMethod {
			return errors.New("another signature than RSA-SHA256")
		}
	}
	for _, child := range document.Child {
		if _, is := child.(*etree.Directive); is {
			return errors.New("a document type")
		}
	}
	return nil
}
