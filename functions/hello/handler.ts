/** Says hello: `curl 'http://127.0.0.1:8080/function/hello?name=Ada'`. */
import type { Context, Event } from '@bramble/runtime'

export default function hello(event: Event, context: Context): string {
  const { name = 'world' } = event.query
  context.log.info('greeting', { name })
  return `Hello, ${name}!\n`
}
