#!/usr/bin/env node
// This file must run in any version of Node.js, so that an unsupported version gets a message, not a syntax error.
const [major, minor] = process.versions.node.split('.')
if (major > 24 || minor >= { 20: 20, 22: 22, 24: 13 }[major]) {
  // A promise that never settles is a bug. Node.js then exits with this status instead of 0.
  process.exitCode = 1
  import('node:module')
    .then(({ createRequire }) => createRequire(import.meta.url)('#chat-command').chatCommand(process.argv.slice(2)))
    .then((code) => {
      process.exitCode = code
    })
} else {
  console.error(`tcp-chat: Node.js ${process.versions.node} is not supported; use 20.20+, 22.22+, 24.13 or later`)
  process.exitCode = 2
}
