-- Argo CD's health of a UtilitarianWorkerPool, by the conditions that the operator writes.
local health = { status = "Progressing", message = "waiting for the operator" }

local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
if status.observedGeneration ~= obj.metadata.generation then
  health.message = "waiting for the operator to see generation " .. tostring(obj.metadata.generation)
  return health
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end

local stalled, reconciling, ready = conditions.Stalled, conditions.Reconciling, conditions.Ready
if stalled ~= nil and stalled.status == "True" then
  return { status = "Degraded", message = stalled.reason .. ": " .. stalled.message }
end
-- Preview and Paused are what was asked for. Suspended would be the word, but a sync wave waits for it for ever.
local mode = ""
if status.mode == "Preview" or status.mode == "Paused" then
  mode = "mode " .. status.mode .. ": "
end
if ready ~= nil and ready.status == "False" then
  return { status = "Degraded", message = mode .. ready.reason .. ": " .. ready.message }
end
if reconciling ~= nil and reconciling.status == "True" then
  return { status = "Progressing", message = mode .. reconciling.message }
end
if ready ~= nil and ready.status == "True" then
  return { status = "Healthy", message = mode .. ready.message }
end
return health
