package checks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/plumbline-dev/plumbline"
)

// A ClientCertificate is what MutualTLS shows; its private key is the connection's secret.
type ClientCertificate struct {
	Chain       string // PEM: the certificate, then those between it and its authority
	Authorities string // PEM: who may have signed the server's certificate; nothing means the transport's
}

// mutualCredential has a transport of its own: a connection that was opened with a certificate carries nobody else's
// requests.
func mutualCredential(_ context.Context, c *Connections, a *account, _ plumbline.Site) (credential, error) {
	key, err := a.secret()
	if err != nil {
		return credential{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.own == nil {
		if a.own, err = c.sessionWith(a.Certificate, key); err != nil {
			return credential{}, fmt.Errorf("auth %s: %w", a.Name, err)
		}
	}
	return credential{own: a.own}, nil // the key isn't sent: it proves itself
}

func (c *Connections) sessionWith(shown *ClientCertificate, key string) (*session, error) {
	pair, err := tls.X509KeyPair([]byte(shown.Chain), []byte(key))
	if err != nil {
		return nil, errors.New("its certificate and key: " + strings.TrimPrefix(err.Error(), "tls: "))
	}
	t := c.transport.Clone()
	t.ForceAttemptHTTP2, t.Protocols = false, new(http.Protocols)
	t.Protocols.SetHTTP1(true) // HTTP/2 keeps to itself why a server refused a certificate
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.NextProtos = nil
	// Whoever asks gets it: left to itself, crypto/tls shows none to a server that names other authorities.
	t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	if shown.Authorities != "" {
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(shown.Authorities)) {
			return nil, errors.New("its authorities have no certificate")
		}
	}
	return newSession(t), nil
}
