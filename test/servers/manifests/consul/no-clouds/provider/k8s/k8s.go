// Package k8s replaces the provider of that name.
package k8s

import (
	"errors"
	"log"
)

type Provider struct{}

func (p *Provider) Addrs(map[string]string, *log.Logger) ([]string, error) {
	return nil, errors.New("this agent for tests was built without clouds")
}

func (p *Provider) Help() string { return "" }
