/** The two services of NRI, as the wire names them. */
export const pluginService = "nri.pkg.api.v1alpha1.Plugin";
export const runtimeService = "nri.pkg.api.v1alpha1.Runtime";

export const defaultSocketPath = "/var/run/nri/nri.sock";
