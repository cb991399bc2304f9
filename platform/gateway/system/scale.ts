/** `/system/scale-function/NAME`. */
import type { RequestHandler } from 'express'
import { parseScale } from '../../openfaas/parse.ts'
import type { Provider } from '../../provider/provider.ts'
import { queryText } from './query.ts'

export function scaleFunction(provider: Provider): RequestHandler {
  return async (req, res) => {
    const { ref, replicas } = parseScale(req.body, String(req.params['name']), queryText(req, 'namespace'))
    await provider.scale(ref, replicas)
    res.status(202).end()
  }
}
