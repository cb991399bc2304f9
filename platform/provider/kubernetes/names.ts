/** The names that Bramble writes into the cluster: field manager, labels, annotations. */

/** One field manager: what others set in other fields stays. */
export const FIELD_MANAGER = 'bramble'

/** OpenFaaS's own label: selector of a function's pods. */
export const FUNCTION_LABEL = 'faas_function'
export const MANAGED_LABEL = 'app.kubernetes.io/managed-by'
/** Marks what this adapter made; OpenFaaS's own provider leaves it alone. */
export const MANAGED_BY = 'bramble'
/** Secrets carry OpenFaaS's value, so that those made with its tools are listed too. */
export const SECRET_MANAGED_BY = 'openfaas'

/** The deployment as it was sent, as JSON: the status answers with it. */
export const SPEC_ANNOTATION = 'bramble/spec'
/** Made anew with each function, kept by its updates: pods of a removed one of the same name are not this one's. */
export const INCARNATION_ANNOTATION = 'bramble/incarnation'
/** Hash of everything that makes a version: a pod belongs to the version whose hash it carries. */
export const REVISION_ANNOTATION = 'bramble/revision'
/** Hash of the secrets' versions, so that a new value is a new version. */
export const SECRETS_ANNOTATION = 'bramble/secrets'
/** Labels and annotations of a namespace as they were sent. */
export const NAMESPACE_ANNOTATION = 'bramble/namespace'
/** OpenFaaS's mark of a namespace for functions. */
export const FUNCTIONS_ANNOTATION = 'openfaas'
export const EXITS_ANNOTATION = 'bramble/exits'
export const PROFILE_ANNOTATION = 'com.openfaas.profile'
export const SERVICE_ACCOUNT_ANNOTATION = 'com.openfaas.serviceaccount'

/** Kubernetes removes the cheapest pods first when it scales down. */
export const DELETION_COST_ANNOTATION = 'controller.kubernetes.io/pod-deletion-cost'

/** Of the platform's own pods. */
/** The Service of deploy.yml, as existing functions call it. */
export const GATEWAY_URL = 'http://gateway.openfaas:8080'
export const GATEWAY_LABEL = 'gateway'

/** Where functions listen; the platform's contract with every image. */
export const FUNCTION_PORT = 8080
export const METRICS_PORT = 8081
export const SECRETS_PATH = '/var/openfaas/secrets'

export const PRIORITY_CLASS = 'bramble-function'
/** Where the platform itself and the profiles are. */
export const PLATFORM_NAMESPACE = 'openfaas'
/** The role of the platform in a namespace of functions. */
export const FUNCTIONS_ROLE = 'bramble-functions'
export const PLATFORM_ACCOUNT = 'bramble'
