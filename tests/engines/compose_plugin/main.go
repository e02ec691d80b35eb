// Docker Compose v2 as a plugin of the docker client, built from its library: not every machine has a package of it.
package main

import (
	"github.com/docker/cli/cli-plugins/metadata"
	"github.com/docker/cli/cli-plugins/plugin"
	"github.com/docker/cli/cli/command"
	compose "github.com/docker/compose/v2/cmd/compose"
	service "github.com/docker/compose/v2/pkg/compose"
	"github.com/spf13/cobra"
)

// version is set by the linker: `docker compose version` reports it, and it is part of what is tested.
var version = "unset"

func root(cli command.Cli) *cobra.Command {
	root := compose.RootCommand(cli, service.NewComposeService(cli))
	own := root.PersistentPreRunE
	// The plugin's own preparation connects the client; without it every command ends in a nil pointer.
	root.PersistentPreRunE = func(command *cobra.Command, arguments []string) error {
		if err := plugin.PersistentPreRunE(command, arguments); err != nil {
			return err
		}
		if own != nil {
			return own(command, arguments)
		}
		return nil
	}
	return root
}

func main() {
	plugin.Run(root, metadata.Metadata{SchemaVersion: "0.1.0", Vendor: "Embedstack's tests", Version: version})
}
