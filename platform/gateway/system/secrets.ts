/** `/system/secrets`: values go in, only names come out. */
import type { RequestHandler } from 'express'
import { parseNamespaceName, parseSecret, parseSecretRef } from '../../openfaas/parse.ts'
import type { Provider } from '../../provider/provider.ts'
import { queryText } from './query.ts'

export function listSecrets({ secrets }: Provider): RequestHandler {
  return async (req, res) => {
    const list = await secrets.list(parseNamespaceName(queryText(req, 'namespace')))
    res.json(list.map(({ name, namespace }) => ({ name, namespace })))
  }
}

export function createSecret({ secrets }: Provider): RequestHandler {
  return async (req, res) => {
    await secrets.create(parseSecret(req.body))
    res.status(202).end()
  }
}

export function updateSecret({ secrets }: Provider): RequestHandler {
  return async (req, res) => {
    await secrets.update(parseSecret(req.body))
    res.status(202).end()
  }
}

export function deleteSecret({ secrets }: Provider): RequestHandler {
  return async (req, res) => {
    await secrets.remove(parseSecretRef(req.body, queryText(req, 'namespace')))
    res.status(202).end()
  }
}
