package sandbox

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	plumbline "github.com/plumbline-dev/plumbline"
)

// A Secret is one of a color's account at a provider.
type Secret struct {
	Connection string // that the shipped suites and settings call it: acme-slack-blue
	Key        string // of that connection: token
	Value      string
}

// File is the name of the file that keeps it.
func (s Secret) File() string { return s.Connection + "." + s.Key }

// ProviderSecrets are those of every account at every provider.
func (s *Sandbox) ProviderSecrets() []Secret {
	var all []Secret
	for _, provider := range Providers() {
		for _, color := range plumbline.Colors() {
			for key, value := range s.providers.simulators[provider].secrets(color) {
				all = append(all, Secret{connectionOf(provider, color), key, value})
			}
		}
	}
	return all
}

// Settings point the shipped settings at this sandbox, in the words of their overrides: where the colors and providers are,
// the account of each color at each provider, and the files of a directory that have the secrets.
func (s *Sandbox) Settings(dir string) map[string]any {
	settings := map[string]any{"secrets.plum-client-secret.hosts": []string{hostOf(s.BlueURL), hostOf(s.GreenURL)},
		"services.plum.environments.blue.url": s.BlueURL, "services.plum.environments.green.url": s.GreenURL}
	for _, provider := range Providers() {
		for _, color := range plumbline.Colors() {
			name := connectionOf(provider, color)
			settings["services.plum.environments."+string(color)+".connections.acme-"+provider] = name
			at := "connections." + name + "."
			settings[at+"kind"], settings[at+"url"] = provider, s.ProvidersURL
			for key, value := range s.providers.simulators[provider].settings(color) {
				settings[at+key] = value
			}
		}
	}
	for _, secret := range s.ProviderSecrets() {
		settings["connections."+secret.Connection+"."+secret.Key+".file"] = filepath.Join(dir, secret.File())
	}
	return settings
}

// connectionOf is what the account of a color at a provider is called.
func connectionOf(provider string, color plumbline.Color) string {
	return fmt.Sprintf("acme-%s-%s", provider, color)
}

func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Host
	}
	return ""
}

// WriteSecrets keeps the secrets of all accounts in a directory, a file each, which nobody else can read.
func (s *Sandbox) WriteSecrets(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, secret := range s.ProviderSecrets() {
		file := filepath.Join(dir, secret.File())
		if err := os.WriteFile(file, []byte(secret.Value+"\n"), 0o600); err != nil {
			return err
		}
		if err := os.Chmod(file, 0o600); err != nil { // of one that was there before
			return err
		}
	}
	return nil
}
