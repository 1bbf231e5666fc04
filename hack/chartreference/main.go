// Command chartreference writes values.schema.json and README.md of the chart. The schema of the agent's configuration comes from
// the types of package config, by reflection: what the agent would refuse of a key alone is refused at install, mostly, and never
// what it would take. Two forms are left out: null, which takes away what the chart has, and an AS number with a dot but without
// quotes, of which helm makes a fraction. The schema of the other values stands in values.json beside this file. The README lists
// each value with its comment in values.yaml.
//
//	chartreference FOLDER
//
// FOLDER is the chart's. A value without a comment is an error, and so is one that the schema does not know.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

//go:generate go run . ../../charts/fairlead

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: chartreference FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "chartreference:", err)
		os.Exit(1)
	}
}

func write(folder string) error {
	files, err := generate(folder)
	if err != nil {
		return err
	}
	for name, text := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(folder, name), text, 0o644))
	}
	return err
}

// generate gives the files of the chart in folder that are written by this command, by their names.
func generate(folder string) (map[string][]byte, error) {
	values, err := os.ReadFile(filepath.Join(folder, "values.yaml"))
	if err != nil {
		return nil, err
	}
	schema, err := valuesSchema()
	if err != nil {
		return nil, err
	}
	readme, err := readmeOf(values, schema)
	if err != nil {
		return nil, fmt.Errorf("read values.yaml: %w", err)
	}
	text, err := encode(schema)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"values.schema.json": text, "README.md": readme}, nil
}
