#!/usr/bin/env node
import { createRequire } from 'node:module'

const { receiveCommand } = createRequire(import.meta.url)('#receive-command')
process.exitCode = await receiveCommand(process.argv.slice(2))
