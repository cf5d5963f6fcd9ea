/** Sends one file many times at once, each over its own connection: node send-many.js FILE PORT COUNT */
import { send } from '../dist/index.js'

const [path = '', port, count] = process.argv.slice(2)
const names = Array.from({ length: Number(count) }, (_, index) => `f${index + 1}`)
await Promise.all(names.map((name) => send({ sources: [{ path, name }], host: '127.0.0.1', port: Number(port) })))
