package configs_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/plumbline-dev/plumbline/configs"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

func configSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := json.Marshal(configs.Schema())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), strictyaml.Undescribed) {
		t.Errorf("a type that decodes itself isn't described: %s", data)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(configs.SchemaID, document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(configs.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON is a node as a validator of JSON sees it: what JSON has no word for is text.
func asJSON(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = asJSON(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, asJSON(item))
		}
		return list
	}
	if value, problem := strictyaml.Scalar("", n); problem == nil {
		return value
	}
	return n.Value
}

// whole is a configuration with everything that the shipped ones don't use.
const whole = `
bus: {url: "nats://nats.internal:4222", credentials: /run/secrets/nats.creds, prefix: plumbline, inbox_prefix: _INBOX_validator, replicas: 3, keep: 9600h,
  tls: {authorities: ca.pem, certificate: client.pem, key: client.key}}
services:
  plum:
    environments:
      blue: {url: "https://blue.plum.internal", vars: {page: 10, flag: true}, connections: {plum-api: plum-blue}}
      green: {url: "https://green.plum.internal"}
    live: {color: blue, version: 2026.11.2}
    new: true
    suites: [shipped:plum]
    deadline: 30m
    standby: {schedule: "*/10 * * * *", time_zone: UTC, retain: 72h}
    gate: {valid_for: 30m, rollback: warn, mode: observe, until: 2999-01-01, require_digest: true, require_change: false, renew: 4h}
  pear:
    environments: {blue: {url: "https://blue.pear.internal"}, green: {url: "https://green.pear.internal"}}
    live: blue
    suites: [shipped:plum]
connections:
  plum-api: {kind: oauth2, token_url: /token, client_id: plumbline, client_secret: {env: A}, scopes: [a]}
  plum-blue: {kind: oauth2, grant: refresh_token, token_url: /token, client_id: plumbline, client_secret: {env: A}, refresh_token: {file: /run/refresh}}
  bearer: {kind: bearer, token: {env: A}, url: "https://api.example.com", rate: {per_second: 5, burst: 10}}
  basic: {kind: basic, username: ada, password: {file: /run/password}}
  header: {kind: header, name: X-Api-Key, value: {env: A}}
  mtls: {kind: mtls, certificate: /run/cert.pem, key: {file: /run/key.pem}}
  workday: {kind: workday, host: wd5-services1.workday.com, tenant: acme, client_id: me, key: {file: /run/key.pem}, key_id: k, user: ISU_PLUM@acme, password: {env: A}, version: v44.2}
  aws: {kind: sigv4, region: eu-central-1, service: execute-api, access_key_id: {env: A}, secret_access_key: {env: A}}
secrets: {key: {env: A, hosts: [api.example.com]}}
reporters:
  releases: {kind: slack, token: {env: A}, channel: "#releases", on: {service: [plum], outcome: [fail]}, mention_on_failure: ["@sre"]}
tokens:
  - {name: ci, roles: [release, gate], token: {env: A}}
limits: {concurrency: 64, per_host: 16, body: 2MiB}
listen: 127.0.0.1:8080
public_url: https://plumbline.internal
log: {level: info, format: auto}
shutdown_grace: 45s
`

func configurations(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"plumbline.yaml": string(configs.Default), "whole": whole}
	compose, err := os.ReadFile("compose/plumbline.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all["compose"] = string(compose)
	return all
}

func loads(text string) error {
	_, _, err := configs.Load(configs.Source{File: "plumbline.yaml", Data: []byte(text), WithoutSecrets: true})
	return err
}

func TestConfigurationsFitTheSchema(t *testing.T) {
	schema := configSchema(t)
	for name, text := range configurations(t) {
		if err := loads(text); err != nil && name == "whole" {
			t.Errorf("%s: %v", name, err)
		}
		root, err := strictyaml.Parse(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(asJSON(root)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaRefusesOnlyWhatTheLoaderRefuses changes configurations in many small ways.
func TestSchemaRefusesOnlyWhatTheLoaderRefuses(t *testing.T) {
	schema := configSchema(t)
	root, err := strictyaml.Parse("whole", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	change(root, func(what string) {
		problem := schema.Validate(asJSON(root))
		if problem == nil {
			return
		}
		refused++
		text, err := yaml.Marshal(root)
		if err != nil {
			return
		}
		if loads(string(text)) == nil {
			t.Errorf("%s: the loader takes it, but not the schema: %v", what, problem)
		}
	})
	if refused < 300 {
		t.Errorf("%d were refused: too few to prove anything", refused)
	}
}

// change changes one thing after another, and puts it back.
func change(n *yaml.Node, try func(what string)) {
	values := []*yaml.Node{
		{Kind: yaml.ScalarNode, Tag: "!!int", Value: "7"}, {Kind: yaml.ScalarNode, Tag: "!!str", Value: "text"}, {Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"},
		{Kind: yaml.ScalarNode, Tag: "!!str", Value: "7", Style: yaml.DoubleQuotedStyle}, {Kind: yaml.SequenceNode, Tag: "!!seq"}, {Kind: yaml.MappingNode, Tag: "!!map"},
		{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"},
	}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			was := child.Value
			child.Value += "x"
			try("key " + child.Value)
			child.Value = was
			continue
		}
		for _, value := range values {
			n.Content[i] = value
			try(child.Value + " as " + value.Tag + " " + value.Value)
		}
		n.Content[i] = child
		change(child, try)
	}
}
