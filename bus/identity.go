package bus

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/nats.go"
)

// A TLS names PEM files. The zero TLS trusts whom the system trusts, shows no certificate, and leaves it to the URL and to
// the server whether the connection is encrypted; any other demands that it is.
type TLS struct {
	Authorities string // who signs the servers' certificates
	Certificate string // of this client
	Key         string // of Certificate
}

// identity is who this client is to the servers, and whom it takes for them.
func (o Options) identity() ([]nats.Option, error) {
	options, err := o.TLS.options()
	if err != nil {
		return nil, err
	}
	if o.InboxPrefix != "" {
		options = append(options, nats.CustomInboxPrefix(o.InboxPrefix))
	}
	if o.Credentials != "" {
		option, err := credentials(o.Credentials)
		if err != nil {
			return nil, err
		}
		options = append(options, option)
	}
	return options, nil
}

// options read the files again at each connection, so that certificates can be renewed beneath.
func (t TLS) options() (options []nats.Option, err error) {
	if t.Authorities != "" {
		text, err := os.ReadFile(t.Authorities)
		if err != nil {
			return nil, fmt.Errorf("bus.tls.authorities: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("bus.tls.authorities: %s has no certificate in PEM", t.Authorities)
		}
		options = append(options, nats.RootCAs(t.Authorities))
	}
	switch {
	case t.Certificate == "" && t.Key == "":
		return options, nil
	case t.Certificate == "" || t.Key == "":
		return nil, errors.New("bus.tls: certificate and key, want both or neither")
	}
	if _, err := tls.LoadX509KeyPair(t.Certificate, t.Key); err != nil {
		return nil, fmt.Errorf("bus.tls.certificate and key: %s", strings.TrimPrefix(err.Error(), "tls: "))
	}
	return append(options, nats.ClientCert(t.Certificate, t.Key)), nil
}

func credentials(file string) (nats.Option, error) {
	text, err := os.ReadFile(file) // #nosec G304 -- a file that the configuration names
	if err != nil {
		return nil, fmt.Errorf("bus.credentials: %w", err)
	}
	if strings.HasPrefix(strings.TrimSpace(string(text)), "SU") {
		option, err := nats.NkeyOptionFromSeed(file)
		if err != nil {
			return nil, fmt.Errorf("bus.credentials: %s holds no usable nkey seed", file)
		}
		return option, nil
	}
	return nats.UserCredentials(file), nil
}
