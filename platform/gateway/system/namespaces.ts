/** `/system/namespaces` and `/system/namespace/NAME`. */
import type { RequestHandler } from 'express'
import { BrambleError } from '../../lib/errors.ts'
import { checkDnsLabel } from '../../openfaas/names.ts'
import { parseNamespace } from '../../openfaas/parse.ts'
import type { Provider } from '../../provider/provider.ts'

export function listNamespaces({ namespaces }: Provider): RequestHandler {
  return async (_req, res) => { res.json((await namespaces.list()).map(({ name }) => name)) }
}

export function getNamespace({ namespaces }: Provider): RequestHandler {
  return async (req, res) => {
    const name = checkDnsLabel(String(req.params['name']), 'namespace')
    const found = await namespaces.get(name)
    if (found === undefined) throw new BrambleError('NOT_FOUND', `namespace ${name} does not exist`)
    res.json({ name: found.name, labels: found.labels, annotations: found.annotations })
  }
}

export function createNamespace({ namespaces }: Provider): RequestHandler {
  return async (req, res) => {
    await namespaces.create(parseNamespace(req.body))
    res.status(201).end()
  }
}

export function updateNamespace({ namespaces }: Provider): RequestHandler {
  return async (req, res) => {
    await namespaces.update(parseNamespace(req.body, String(req.params['name'])))
    res.status(202).end()
  }
}

export function deleteNamespace({ namespaces }: Provider): RequestHandler {
  return async (req, res) => {
    await namespaces.remove(checkDnsLabel(String(req.params['name']), 'namespace'))
    res.status(202).end()
  }
}
