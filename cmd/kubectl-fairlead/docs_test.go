package main

import (
	"testing"

	"github.com/fairlead/fairlead/test/docs"
)

// TestDocs holds each command that the documentation shows against the plugin.
func TestDocs(t *testing.T) { docs.Check(t, "../..", "kubectl fairlead", root) }
