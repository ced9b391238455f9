// A current Kubernetes' server of custom resources, by itself: it compiles CRDs' CEL rules and judges objects by them.
//
// Upstream's own main leaves to kube-apiserver what kubectl asks first, the list of the groups and their OpenAPI
// schemas; this one has both. Flags are upstream's. Built by hack/tools/build-crd-server.
package main

import (
	"context"
	"net/http"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/apiextensions-apiserver/pkg/apiserver"
	"k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	"k8s.io/apiextensions-apiserver/pkg/generated/openapi"
	"k8s.io/apiserver/pkg/endpoints/discovery/aggregated"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"
)

func main() {
	os.Exit(cli.Run(command(genericapiserver.SetupSignalContext())))
}

func command(ctx context.Context) *cobra.Command {
	settings := options.NewCustomResourceDefinitionsServerOptions(os.Stdout, os.Stderr)
	command := &cobra.Command{
		Use:           "crd-server",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			if err := settings.ServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
				return err
			}
			if err := settings.Complete(); err != nil {
				return err
			}
			if err := settings.Validate(); err != nil {
				return err
			}
			return run(ctx, settings)
		},
	}
	settings.AddFlags(command.Flags())
	return command
}

func run(ctx context.Context, settings *options.CustomResourceDefinitionsServerOptions) error {
	config, err := settings.Config()
	if err != nil {
		return err
	}
	// Without a schema of version 2 the controllers that add the custom resources' schemas do not start.
	namer := openapinamer.NewDefinitionNamer(apiserver.Scheme)
	config.GenericConfig.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openapi.GetOpenAPIDefinitions, namer)
	config.GenericConfig.OpenAPIConfig.Info.Title = "crd-server"
	serveGroups(&config.GenericConfig.Config)
	server, err := config.Complete().New(genericapiserver.NewEmptyDelegate())
	if err != nil {
		return err
	}
	return server.GenericAPIServer.PrepareRun().RunWithContext(ctx)
}

// serveGroups answers /apis, within the usual chain of authentication and authorization.
func serveGroups(config *genericapiserver.Config) {
	groups, chain := aggregated.NewResourceManager("apis"), config.BuildHandlerChainFunc
	config.AggregatedDiscoveryGroupManager = groups
	config.BuildHandlerChainFunc = func(handler http.Handler, config *genericapiserver.Config) http.Handler {
		all := http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
			if request.URL.Path == "/apis" {
				groups.ServeHTTP(response, request)
				return
			}
			handler.ServeHTTP(response, request)
		})
		return chain(all, config)
	}
}
