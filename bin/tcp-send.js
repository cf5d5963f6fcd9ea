#!/usr/bin/env node
// Any Node can read this file, so that one which is too old for the rest can say so.
const [major, minor] = process.versions.node.split('.')
if (major > 24 || minor >= { 20: 20, 22: 22, 24: 13 }[major]) {
  // What never settles is a bug, and no success.
  process.exitCode = 1
  import('node:module')
    .then(({ createRequire }) => createRequire(import.meta.url)('#send-command').sendCommand(process.argv.slice(2)))
    .then((code) => {
      process.exitCode = code
    })
} else {
  console.error(`tcp-send: this is Node.js ${process.versions.node}; it takes 20.20, 22.22, 24.13 or later of each`)
  process.exitCode = 2
}
